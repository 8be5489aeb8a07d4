import{A as t,IconButton as e,html as n,d as s,T as r,RUN_STATES as a,when as o}from"./page.js";function l({pageState:s,state:{runs:r,history:a},current:o,refreshOn:l,close:i,forgotten:c}){t(()=>{s.refresh()},[s,l]);const $=async t=>{await s.forget(t)&&c(t)};return n`<aside class="history" aria-label="History">
<div class="history-head">
<h2>History</h2>
<${e} icon="close" label="Close the history" onClick=${i} />
</div>
<ul>
${r.map(t=>n`<${u} key=${t.run_id} run=${t} current=${t.run_id===o} forget=${$} />`)}
</ul>
${0===r.length&&"loading"!==a&&n`<p class="hint">Nothing was asked yet.</p>`}
${"loading"===a&&n`<p class="hint">Loading…</p>`}
${"more"===a&&n`<button type="button" class="menu-button" onClick=${()=>s.more()}>Older</button>`}
</aside>`}const i=8e3;function u({run:l,current:u,forget:c}){const[$,p]=s("kept"),d=r(null),b=r(!1);if(t(()=>{if("kept"!==$&&d.current?.querySelector("button")?.focus(),"deleted"!==$)return;let t=!0;const e=()=>{t&&!b.current&&c(l.run_id),t=!1},n=setTimeout(e,i);return()=>{clearTimeout(n),e()}},[$]),"asks"===$)return n`<li ref=${d} class="asks" role="group" aria-label=${`Delete ${l.title.slice(0,60)}?`}>
<span>Delete it for everybody?</span>
<button type="button" class="menu-button" onClick=${()=>p("kept")}>Keep</button>
<button type="button" class="menu-button danger" onClick=${()=>(b.current=!1,p("deleted"))}>Delete</button>
</li>`;if("deleted"===$)return n`<li ref=${d} class="asks"><span>Deleted.</span><button type="button" class="menu-button" onClick=${()=>(b.current=!0,p("kept"))}>Undo</button></li>`;const[h,y]=a[l.status],g=Object.keys(l.agents).length;return n`<li data-status=${l.status}>
<a href=${`#run/${l.run_id}`} aria-current=${u?"page":void 0}>
<span class="history-question">${l.unreadable?"Cannot be read by this version":l.title}</span>
<span class="hint">
<span class="glyph" aria-hidden="true">${h}</span> ${y} · ${g} ${1===g?"agent":"agents"}${l.panel?` · ${l.panel}`:""} · ${o(l.created_at)}
</span>
</a>
<${e} icon="trash" label=${`Delete: ${l.title.slice(0,60)}`} onClick=${()=>p("asks")} />
</li>`}export{l as History};
