import{d as e,A as t,IconButton as n,RUN_STATES as a,html as s,T as i,F as l,when as r,marks as o}from"./page.js";function u({pageState:i,state:{runs:l,history:r},current:u,refreshOn:c,close:p,forgotten:d}){const[b,m]=e({q:"",status:""}),[h,f]=e(o.all),k=""!==b.q||""!==b.status;t(()=>{const e=setTimeout(()=>{i.refresh({...b,q:b.q.trim()})},""===b.q?0:250);return()=>clearTimeout(e)},[i,c,b]);const g=(e,t)=>{o.set(e,t),f(o.all())},y=async e=>{await i.forget(e)&&(g(e,{name:void 0,pinned:void 0}),d(e))},v=e=>s`<${$}
key=${e.run_id}
run=${e}
mark=${h[e.run_id]??{}}
setMark=${t=>g(e.run_id,t)}
current=${e.run_id===u}
forget=${y}
/>`,C=b.q.trim().toLowerCase(),q=Object.values(h).flatMap(({pinned:e})=>e?[l.find(({run_id:t})=>t===e.run_id)??e]:[]).filter(e=>(e=>`${h[e.run_id]?.name??""} ${e.title}`.toLowerCase())(e).includes(C)&&(""===b.status||e.status===b.status)),_=l.filter(({run_id:e})=>!h[e]?.pinned);return s`<aside class="history" aria-label="History">
<div class="history-head">
<h2>History</h2>
<${n} icon="close" label="Close the history" onClick=${p} />
</div>
<div class="history-search">
<input type="search" aria-label="Search the questions" placeholder="Search" value=${b.q} onInput=${e=>m({...b,q:e.target.value})} />
<select class="pick" aria-label="Which runs" value=${b.status} onChange=${e=>m({...b,status:e.target.value})}>
<option value="">All</option>
${Object.entries(a).map(([e,[,t]])=>s`<option key=${e} value=${e}>${t}</option>`)}
</select>
</div>
${q.length>0&&s`<ul aria-label="Pinned" class="pinned">${q.map(v)}</ul>`}
<ul>${_.map(v)}</ul>
${q.length+_.length===0&&"loading"!==r&&s`<p class="hint">${k?"No run is like that.":"Nothing was asked yet."}</p>`}
${"loading"===r&&s`<p class="hint">Loading…</p>`}
${"more"===r&&s`<button type="button" class="menu-button" onClick=${()=>i.more()}>Older</button>`}
</aside>`}const c=8e3;function $({run:o,mark:u,setMark:$,current:p,forget:d}){const[b,m]=e("kept"),h=i(null),f=i(!1);if(l(()=>{"named"===b?h.current?.querySelector("input")?.select():"kept"!==b&&h.current?.querySelector("button")?.focus()},[b]),t(()=>{if("deleted"!==b)return;let e=!0;const t=()=>{e&&!f.current&&d(o.run_id),e=!1},n=setTimeout(t,c);return()=>{clearTimeout(n),t()}},[b]),"named"===b)return s`<li ref=${h}><form class="asks" onSubmit=${e=>{e.preventDefault();const t=e.target.elements.name.value.trim();$({name:""===t||t===o.title?void 0:t}),m("kept")}} onKeyDown=${e=>"Escape"===e.key&&(e.stopPropagation(),m("kept"))}>
<input name="name" aria-label="Name of the run" maxlength="200" defaultValue=${u.name??o.title} />
<button class="menu-button">Keep</button>
</form></li>`;if("asks"===b)return s`<li ref=${h} class="asks" role="group" aria-label=${`Delete ${o.title.slice(0,60)}?`}>
<span>Delete it for everybody?</span>
<button type="button" class="menu-button" onClick=${()=>m("kept")}>Keep</button>
<button type="button" class="menu-button danger" onClick=${()=>(f.current=!1,m("deleted"))}>Delete</button>
</li>`;if("deleted"===b)return s`<li ref=${h} class="asks"><span>Deleted.</span><button type="button" class="menu-button" onClick=${()=>(f.current=!0,m("kept"))}>Undo</button></li>`;const[k,g]=a[o.status],y=Object.keys(o.agents).length,v=Object.entries(o.agents).flatMap(([e,{variant_of:t}])=>t?[`${e} of ${t}`]:[]);return s`<li data-status=${o.status}>
<a href=${`#run/${o.run_id}`} aria-current=${p?"page":void 0}>
<span class="history-question">${o.unreadable?"Cannot be read by this version":u.name??o.title}</span>
<span class="hint">
<span class="glyph" aria-hidden="true">${k}</span> ${g} · ${y} ${1===y?"agent":"agents"}${v.length>0?` (${v.join(", ")})`:""}${o.panel?` · ${o.panel}`:""} · ${r(o.created_at)}
</span>
</a>
<${n} icon="pin" label=${`${u.pinned?"Unpin":"Pin"}: ${o.title.slice(0,60)}`} aria-pressed=${void 0!==u.pinned} onClick=${()=>$({pinned:u.pinned?void 0:o})} />
<${n} icon="edit" label=${`Rename: ${o.title.slice(0,60)}`} onClick=${()=>m("named")} />
<${n} icon="trash" label=${`Delete: ${o.title.slice(0,60)}`} onClick=${()=>m("asks")} />
</li>`}export{u as History};
