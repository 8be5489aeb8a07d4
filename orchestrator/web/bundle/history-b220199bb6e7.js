import{A as s,I as t,h as e,R as a,w as n}from"./page-04db0521df04.js";function r({desk:a,state:{runs:n,history:r},current:o,refreshOn:l,close:u,forgotten:$}){s(()=>{a.refresh()},[a,l]);const c=async s=>{await a.forget(s)&&$(s)};return e`<aside class="history" aria-label="History">
<div class="history-head">
<h2>History</h2>
<${t} icon="close" label="Close the history" onClick=${u} />
</div>
<ul>
${n.map(s=>e`<${i} key=${s.run_id} run=${s} current=${s.run_id===o} forget=${c} />`)}
</ul>
${0===n.length&&"loading"!==r&&e`<p class="hint">Nothing was asked yet.</p>`}
${"loading"===r&&e`<p class="hint">Loading…</p>`}
${"more"===r&&e`<button type="button" class="menu-button" onClick=${()=>a.more()}>Older</button>`}
</aside>`}function i({run:s,current:r,forget:i}){const[o,l]=a[s.status],u=Object.keys(s.agents).length;return e`<li data-status=${s.status}>
<a href=${`#run/${s.run_id}`} aria-current=${r?"page":void 0}>
<span class="history-question">${s.message}</span>
<span class="hint">
<span class="glyph" aria-hidden="true">${o}</span> ${l} · ${u} ${1===u?"agent":"agents"}${s.panel?` · ${s.panel.title}`:""} · ${n(s.created_at)}
</span>
</a>
<${t} icon="trash" label=${`Delete: ${s.message.slice(0,60)}`} onClick=${()=>i(s.run_id)} />
</li>`}export{r as History};
