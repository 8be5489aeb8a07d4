import{d as e,A as t,IconButton as n,RUN_STATES as a,html as s,T as i,F as r,when as l,marks as o}from"./page.js";const u=new URL("./history.css",import.meta.url).href;function c({pageState:i,state:{runs:r,history:l},current:c,refreshOn:$,close:d,forgotten:h}){const[m,b]=e({q:"",status:""}),[f,k]=e(o.all),g=""!==m.q||""!==m.status;t(()=>{const e=setTimeout(()=>{i.refresh({...m,q:m.q.trim()})},""===m.q?0:250);return()=>clearTimeout(e)},[i,$,m]);const y=(e,t)=>{o.set(e,t),k(o.all())},v=async e=>{await i.forget(e)&&(y(e,{name:void 0,pinned:void 0}),h(e))},C=e=>s`<${p}
key=${e.run_id}
run=${e}
mark=${f[e.run_id]??{}}
setMark=${t=>y(e.run_id,t)}
current=${e.run_id===c}
forget=${v}
/>`,q=m.q.trim().toLowerCase(),_=Object.values(f).flatMap(({pinned:e})=>e?[r.find(({run_id:t})=>t===e.run_id)??e]:[]).filter(e=>(e=>`${f[e.run_id]?.name??""} ${e.title}`.toLowerCase())(e).includes(q)&&(""===m.status||e.status===m.status)),D=r.filter(({run_id:e})=>!f[e]?.pinned);return s`<aside class="history" aria-label="History">
<link rel="stylesheet" href=${u} />
<div class="history-head">
<h2>History</h2>
<${n} icon="close" label="Close the history" onClick=${d} />
</div>
<div class="history-search">
<input type="search" aria-label="Search the questions" placeholder="Search" value=${m.q} onInput=${e=>b({...m,q:e.target.value})} />
<select class="pick" aria-label="Which runs" value=${m.status} onChange=${e=>b({...m,status:e.target.value})}>
<option value="">All</option>
${Object.entries(a).map(([e,[,t]])=>s`<option key=${e} value=${e}>${t}</option>`)}
</select>
</div>
${_.length>0&&s`<ul aria-label="Pinned" class="pinned">${_.map(C)}</ul>`}
<ul>${D.map(C)}</ul>
${_.length+D.length===0&&"loading"!==l&&s`<p class="hint">${g?"No run is like that.":"Nothing was asked yet."}</p>`}
${"loading"===l&&s`<p class="hint">Loading…</p>`}
${"more"===l&&s`<button type="button" class="menu-button" onClick=${()=>i.more()}>Older</button>`}
</aside>`}const $=8e3;function p({run:o,mark:u,setMark:c,current:p,forget:d}){const[h,m]=e("kept"),b=i(null),f=i(!1);if(r(()=>{"named"===h?b.current?.querySelector("input")?.select():"kept"!==h&&b.current?.querySelector("button")?.focus()},[h]),t(()=>{if("deleted"!==h)return;let e=!0;const t=()=>{e&&!f.current&&d(o.run_id),e=!1},n=setTimeout(t,$);return()=>{clearTimeout(n),t()}},[h]),"named"===h)return s`<li ref=${b}><form class="asks" onSubmit=${e=>{e.preventDefault();const t=e.target.elements.name.value.trim();c({name:""===t||t===o.title?void 0:t}),m("kept")}} onKeyDown=${e=>"Escape"===e.key&&(e.stopPropagation(),m("kept"))}>
<input name="name" aria-label="Name of the run" maxlength="200" defaultValue=${u.name??o.title} />
<button class="menu-button">Keep</button>
</form></li>`;if("asks"===h)return s`<li ref=${b} class="asks" role="group" aria-label=${`Delete ${o.title.slice(0,60)}?`}>
<span>Delete it for everybody?</span>
<button type="button" class="menu-button" onClick=${()=>m("kept")}>Keep</button>
<button type="button" class="menu-button danger" onClick=${()=>(f.current=!1,m("deleted"))}>Delete</button>
</li>`;if("deleted"===h)return s`<li ref=${b} class="asks"><span>Deleted.</span><button type="button" class="menu-button" onClick=${()=>(f.current=!0,m("kept"))}>Undo</button></li>`;const[k,g]=a[o.status],y=Object.keys(o.agents).length,v=Object.entries(o.agents).flatMap(([e,{variant_of:t}])=>t?[`${e} of ${t}`]:[]);return s`<li data-status=${o.status}>
<a href=${`#run/${o.run_id}`} aria-current=${p?"page":void 0}>
<span class="history-question">${o.unreadable?"Cannot be read by this version":u.name??o.title}</span>
<span class="hint">
<span class="glyph" aria-hidden="true">${k}</span> ${g} · ${y} ${1===y?"agent":"agents"}${v.length>0?` (${v.join(", ")})`:""}${o.panel?` · ${o.panel}`:""} · ${l(o.created_at)}
</span>
</a>
<${n} icon="pin" label=${`${u.pinned?"Unpin":"Pin"}: ${o.title.slice(0,60)}`} aria-pressed=${void 0!==u.pinned} onClick=${()=>c({pinned:u.pinned?void 0:o})} />
<${n} icon="edit" label=${`Rename: ${o.title.slice(0,60)}`} onClick=${()=>m("named")} />
<${n} icon="trash" label=${`Delete: ${o.title.slice(0,60)}`} onClick=${()=>m("asks")} />
</li>`}export{c as History};
