import{d as e,A as t,IconButton as n,RUN_STATES as a,html as s,T as i,when as l,marks as r}from"./page.js";function o({pageState:i,state:{runs:l,history:o},current:u,refreshOn:p,close:$,forgotten:d}){const[b,m]=e({q:"",status:""}),[h,k]=e(r.all),f=""!==b.q||""!==b.status;t(()=>{const e=setTimeout(()=>{i.refresh({...b,q:b.q.trim()})},""===b.q?0:250);return()=>clearTimeout(e)},[i,p,b]);const g=(e,t)=>{r.set(e,t),k(r.all())},y=async e=>{await i.forget(e)&&(g(e,{name:void 0,pinned:void 0}),d(e))},v=e=>s`<${c}
key=${e.run_id}
run=${e}
mark=${h[e.run_id]??{}}
setMark=${t=>g(e.run_id,t)}
current=${e.run_id===u}
forget=${y}
/>`,C=b.q.trim().toLowerCase(),q=Object.values(h).flatMap(({pinned:e})=>e?[l.find(({run_id:t})=>t===e.run_id)??e]:[]).filter(e=>(e=>`${h[e.run_id]?.name??""} ${e.title}`.toLowerCase())(e).includes(C)&&(""===b.status||e.status===b.status)),_=l.filter(({run_id:e})=>!h[e]?.pinned);return s`<aside class="history" aria-label="History">
<div class="history-head">
<h2>History</h2>
<${n} icon="close" label="Close the history" onClick=${$} />
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
${q.length+_.length===0&&"loading"!==o&&s`<p class="hint">${f?"No run is like that.":"Nothing was asked yet."}</p>`}
${"loading"===o&&s`<p class="hint">Loading…</p>`}
${"more"===o&&s`<button type="button" class="menu-button" onClick=${()=>i.more()}>Older</button>`}
</aside>`}const u=8e3;function c({run:r,mark:o,setMark:c,current:p,forget:$}){const[d,b]=e("kept"),m=i(null),h=i(!1);if(t(()=>{if("kept"!==d&&(m.current?.querySelector("input, button"))?.focus(),"deleted"!==d)return;let e=!0;const t=()=>{e&&!h.current&&$(r.run_id),e=!1},n=setTimeout(t,u);return()=>{clearTimeout(n),t()}},[d]),"named"===d)return s`<li ref=${m}><form class="asks" onSubmit=${e=>{e.preventDefault();const t=e.target.elements.name.value.trim();c({name:""===t||t===r.title?void 0:t}),b("kept")}} onKeyDown=${e=>"Escape"===e.key&&(e.stopPropagation(),b("kept"))}>
<input name="name" aria-label="Name of the run" maxlength="200" defaultValue=${o.name??r.title} />
<button class="menu-button">Keep</button>
</form></li>`;if("asks"===d)return s`<li ref=${m} class="asks" role="group" aria-label=${`Delete ${r.title.slice(0,60)}?`}>
<span>Delete it for everybody?</span>
<button type="button" class="menu-button" onClick=${()=>b("kept")}>Keep</button>
<button type="button" class="menu-button danger" onClick=${()=>(h.current=!1,b("deleted"))}>Delete</button>
</li>`;if("deleted"===d)return s`<li ref=${m} class="asks"><span>Deleted.</span><button type="button" class="menu-button" onClick=${()=>(h.current=!0,b("kept"))}>Undo</button></li>`;const[k,f]=a[r.status],g=Object.keys(r.agents).length;return s`<li data-status=${r.status}>
<a href=${`#run/${r.run_id}`} aria-current=${p?"page":void 0}>
<span class="history-question">${r.unreadable?"Cannot be read by this version":o.name??r.title}</span>
<span class="hint">
<span class="glyph" aria-hidden="true">${k}</span> ${f} · ${g} ${1===g?"agent":"agents"}${r.panel?` · ${r.panel}`:""} · ${l(r.created_at)}
</span>
</a>
<${n} icon="pin" label=${`${o.pinned?"Unpin":"Pin"}: ${r.title.slice(0,60)}`} aria-pressed=${void 0!==o.pinned} onClick=${()=>c({pinned:o.pinned?void 0:r})} />
<${n} icon="edit" label=${`Rename: ${r.title.slice(0,60)}`} onClick=${()=>b("named")} />
<${n} icon="trash" label=${`Delete: ${r.title.slice(0,60)}`} onClick=${()=>b("asks")} />
</li>`}export{o as History};
