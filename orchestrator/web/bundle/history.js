import{A as t,IconButton as e,html as s,RUN_STATES as a,when as n}from"./page.js";function r({pageState:a,state:{runs:n,history:r},current:o,refreshOn:l,close:u,forgotten:$}){t(()=>{a.refresh()},[a,l]);const c=async t=>{await a.forget(t)&&$(t)};return s`<aside class="history" aria-label="History">
<div class="history-head">
<h2>History</h2>
<${e} icon="close" label="Close the history" onClick=${u} />
</div>
<ul>
${n.map(t=>s`<${i} key=${t.run_id} run=${t} current=${t.run_id===o} forget=${c} />`)}
</ul>
${0===n.length&&"loading"!==r&&s`<p class="hint">Nothing was asked yet.</p>`}
${"loading"===r&&s`<p class="hint">Loading…</p>`}
${"more"===r&&s`<button type="button" class="menu-button" onClick=${()=>a.more()}>Older</button>`}
</aside>`}function i({run:t,current:r,forget:i}){const[o,l]=a[t.status],u=Object.keys(t.agents).length;return s`<li data-status=${t.status}>
<a href=${`#run/${t.run_id}`} aria-current=${r?"page":void 0}>
<span class="history-question">${t.message}</span>
<span class="hint">
<span class="glyph" aria-hidden="true">${o}</span> ${l} · ${u} ${1===u?"agent":"agents"}${t.panel?` · ${t.panel.title}`:""} · ${n(t.created_at)}
</span>
</a>
<${e} icon="trash" label=${`Delete: ${t.message.slice(0,60)}`} onClick=${()=>i(t.run_id)} />
</li>`}export{r as History};
