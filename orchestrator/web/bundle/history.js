import{d as e,A as t,IconButton as n,RUN_STATES as a,html as s,T as i,F as l,when as r,marks as o}from"./page.js";function u({pageState:i,state:{runs:l,history:r},current:u,refreshOn:c,close:$,forgotten:d}){const[m,b]=e({q:"",status:""}),[h,k]=e(o.all),f=""!==m.q||""!==m.status;t(()=>{const e=setTimeout(()=>{i.refresh({...m,q:m.q.trim()})},""===m.q?0:250);return()=>clearTimeout(e)},[i,c,m]);const g=(e,t)=>{o.set(e,t),k(o.all())},y=async e=>{await i.forget(e)&&(g(e,{name:void 0,pinned:void 0}),d(e))},v=e=>s`<${p}
key=${e.run_id}
run=${e}
mark=${h[e.run_id]??{}}
setMark=${t=>g(e.run_id,t)}
current=${e.run_id===u}
forget=${y}
/>`,C=m.q.trim().toLowerCase(),q=Object.values(h).flatMap(({pinned:e})=>e?[l.find(({run_id:t})=>t===e.run_id)??e]:[]).filter(e=>(e=>`${h[e.run_id]?.name??""} ${e.title}`.toLowerCase())(e).includes(C)&&(""===m.status||e.status===m.status)),_=l.filter(({run_id:e})=>!h[e]?.pinned);return s`<aside class="history" aria-label="History">
<div class="history-head">
<h2>History</h2>
<${n} icon="close" label="Close the history" onClick=${$} />
</div>
<div class="history-search">
<input type="search" aria-label="Search the questions" placeholder="Search" value=${m.q} onInput=${e=>b({...m,q:e.target.value})} />
<select class="pick" aria-label="Which runs" value=${m.status} onChange=${e=>b({...m,status:e.target.value})}>
<option value="">All</option>
${Object.entries(a).map(([e,[,t]])=>s`<option key=${e} value=${e}>${t}</option>`)}
</select>
</div>
${q.length>0&&s`<ul aria-label="Pinned" class="pinned">${q.map(v)}</ul>`}
<ul>${_.map(v)}</ul>
${q.length+_.length===0&&"loading"!==r&&s`<p class="hint">${f?"No run is like that.":"Nothing was asked yet."}</p>`}
${"loading"===r&&s`<p class="hint">Loading…</p>`}
${"more"===r&&s`<button type="button" class="menu-button" onClick=${()=>i.more()}>Older</button>`}
</aside>`}const c=8e3;function p({run:o,mark:u,setMark:p,current:$,forget:d}){const[m,b]=e("kept"),h=i(null),k=i(!1);if(l(()=>{"named"===m?h.current?.querySelector("input")?.select():"kept"!==m&&h.current?.querySelector("button")?.focus()},[m]),t(()=>{if("deleted"!==m)return;let e=!0;const t=()=>{e&&!k.current&&d(o.run_id),e=!1},n=setTimeout(t,c);return()=>{clearTimeout(n),t()}},[m]),"named"===m)return s`<li ref=${h}><form class="asks" onSubmit=${e=>{e.preventDefault();const t=e.target.elements.name.value.trim();p({name:""===t||t===o.title?void 0:t}),b("kept")}} onKeyDown=${e=>"Escape"===e.key&&(e.stopPropagation(),b("kept"))}>
<input name="name" aria-label="Name of the run" maxlength="200" defaultValue=${u.name??o.title} />
<button class="menu-button">Keep</button>
</form></li>`;if("asks"===m)return s`<li ref=${h} class="asks" role="group" aria-label=${`Delete ${o.title.slice(0,60)}?`}>
<span>Delete it for everybody?</span>
<button type="button" class="menu-button" onClick=${()=>b("kept")}>Keep</button>
<button type="button" class="menu-button danger" onClick=${()=>(k.current=!1,b("deleted"))}>Delete</button>
</li>`;if("deleted"===m)return s`<li ref=${h} class="asks"><span>Deleted.</span><button type="button" class="menu-button" onClick=${()=>(k.current=!0,b("kept"))}>Undo</button></li>`;const[f,g]=a[o.status],y=Object.keys(o.agents).length;return s`<li data-status=${o.status}>
<a href=${`#run/${o.run_id}`} aria-current=${$?"page":void 0}>
<span class="history-question">${o.unreadable?"Cannot be read by this version":u.name??o.title}</span>
<span class="hint">
<span class="glyph" aria-hidden="true">${f}</span> ${g} · ${y} ${1===y?"agent":"agents"}${o.panel?` · ${o.panel}`:""} · ${r(o.created_at)}
</span>
</a>
<${n} icon="pin" label=${`${u.pinned?"Unpin":"Pin"}: ${o.title.slice(0,60)}`} aria-pressed=${void 0!==u.pinned} onClick=${()=>p({pinned:u.pinned?void 0:o})} />
<${n} icon="edit" label=${`Rename: ${o.title.slice(0,60)}`} onClick=${()=>b("named")} />
<${n} icon="trash" label=${`Delete: ${o.title.slice(0,60)}`} onClick=${()=>b("asks")} />
</li>`}export{u as History};
