import{A as s,I as t,h as a,R as e,a as n,w as r}from"./page-799df8a065e9.js";function i({desk:e,state:{runs:n,history:r},current:i,refreshOn:l,close:u,forgotten:c}){s(()=>{e.refresh()},[e,l]);const $=async s=>{await e.forget(s)&&c(s)};return a`<aside class="history" aria-label="History">
<div class="history-head">
<h2>History</h2>
<${t} icon="close" label="Close the history" onClick=${u} />
</div>
<ul>
${n.map(s=>a`<${o} key=${s.run_id} run=${s} current=${s.run_id===i} forget=${$} />`)}
</ul>
${0===n.length&&"loading"!==r&&a`<p class="hint">Nothing was asked yet.</p>`}
${"loading"===r&&a`<p class="hint">Loading…</p>`}
${"more"===r&&a`<button type="button" class="menu-button" onClick=${()=>e.more()}>Older</button>`}
</aside>`}function o({run:s,current:i,forget:o}){const[l,u]=e[s.status];return a`<li data-status=${s.status}>
<a href=${`#run/${s.run_id}`} aria-current=${i?"page":void 0}>
<span class="history-question">${s.message}</span>
<span class="hint">
<span class="glyph" aria-hidden="true">${l}</span> ${u} · ${n(Object.keys(s.agents).length)}${s.panel?` · ${s.panel.title}`:""} · ${r(s.created_at)}
</span>
</a>
<${t} icon="trash" label=${`Delete: ${s.message.slice(0,60)}`} onClick=${()=>o(s.run_id)} />
</li>`}export{i as History};
