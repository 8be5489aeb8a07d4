import{A as t,IconButton as e,html as a,RUN_STATES as n,when as s}from"./page.js";function r({pageState:n,state:{runs:s,history:r},current:o,refreshOn:l,close:u,forgotten:$}){t(()=>{n.refresh()},[n,l]);const c=async t=>{await n.forget(t)&&$(t)};return a`<aside class="history" aria-label="History">
<div class="history-head">
<h2>History</h2>
<${e} icon="close" label="Close the history" onClick=${u} />
</div>
<ul>
${s.map(t=>a`<${i} key=${t.run_id} run=${t} current=${t.run_id===o} forget=${c} />`)}
</ul>
${0===s.length&&"loading"!==r&&a`<p class="hint">Nothing was asked yet.</p>`}
${"loading"===r&&a`<p class="hint">Loading…</p>`}
${"more"===r&&a`<button type="button" class="menu-button" onClick=${()=>n.more()}>Older</button>`}
</aside>`}function i({run:t,current:r,forget:i}){const[o,l]=n[t.status],u=Object.keys(t.agents).length;return a`<li data-status=${t.status}>
<a href=${`#run/${t.run_id}`} aria-current=${r?"page":void 0}>
<span class="history-question">${t.unreadable?"Cannot be read by this version":t.title}</span>
<span class="hint">
<span class="glyph" aria-hidden="true">${o}</span> ${l} · ${u} ${1===u?"agent":"agents"}${t.panel?` · ${t.panel}`:""} · ${s(t.created_at)}
</span>
</a>
<${e} icon="trash" label=${`Delete: ${t.title.slice(0,60)}`} onClick=${()=>i(t.run_id)} />
</li>`}export{r as History};
