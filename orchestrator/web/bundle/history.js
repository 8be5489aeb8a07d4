import{d as e,A as t,IconButton as n,RUN_STATES as a,html as s,T as i,F as r,when as l,marks as o}from"./page.js";const u=new URL("./history.css",import.meta.url).href;function c({pageState:i,state:{runs:r,history:l},current:c,refreshOn:$,close:d,forgotten:h}){const[m,b]=e({q:"",status:""}),[f,g]=e(o.all),k=""!==m.q||""!==m.status;t(()=>{const e=setTimeout(()=>{i.refresh({...m,q:m.q.trim()})},""===m.q?0:250);return()=>clearTimeout(e)},[i,$,m]);const y=(e,t)=>{o.set(e,t),g(o.all())},v=async e=>{await i.forget(e)&&(y(e,{name:void 0,pinned:void 0}),h(e))},C=e=>s`<${p}
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
${_.length+D.length===0&&"all"===l&&s`<p class="hint">${k?"No run is like that.":"Nothing was asked yet."}</p>`}
${"loading"===l&&s`<p class="hint">Loading…</p>`}
${"more"===l&&s`<button type="button" class="menu-button" onClick=${()=>i.more()}>${r.length>0?"Older":"Try again"}</button>`}
</aside>`}const $=8e3;function p({run:t,mark:o,setMark:u,current:c,forget:p}){const[d,h]=e("kept"),m=i(null),b=i(!1);if(r(()=>{"named"===d?m.current?.querySelector("input")?.select():"kept"!==d&&m.current?.querySelector("button")?.focus()},[d]),r(()=>{if("deleted"!==d)return;let e=!0;const n=()=>{e&&!b.current&&p(t.run_id),e=!1},a=setTimeout(n,$);return addEventListener("pagehide",n),()=>{clearTimeout(a),removeEventListener("pagehide",n),n()}},[d]),"named"===d)return s`<li ref=${m}><form class="asks" onSubmit=${e=>{e.preventDefault();const n=e.target.elements.name.value.trim();u({name:""===n||n===t.title?void 0:n}),h("kept")}} onKeyDown=${e=>"Escape"===e.key&&(e.stopPropagation(),h("kept"))}>
<input name="name" aria-label="Name of the run" maxlength="200" defaultValue=${o.name??t.title} />
<button class="menu-button">Keep</button>
</form></li>`;if("asks"===d)return s`<li ref=${m} class="asks" role="group" aria-label=${`Delete ${t.title.slice(0,60)}?`}>
<span>Delete it for everybody?</span>
<button type="button" class="menu-button" onClick=${()=>h("kept")}>Keep</button>
<button type="button" class="menu-button danger" onClick=${()=>(b.current=!1,h("deleted"))}>Delete</button>
</li>`;if("deleted"===d)return s`<li ref=${m} class="asks"><span>Deleted.</span><button type="button" class="menu-button" onClick=${()=>(b.current=!0,h("kept"))}>Undo</button></li>`;const[f,g]=a[t.status],k=Object.keys(t.agents).length,y=Object.entries(t.agents).flatMap(([e,{variant_of:t}])=>t?[`${e} of ${t}`]:[]);return s`<li data-status=${t.status}>
<a href=${`#run/${t.run_id}`} aria-current=${c?"page":void 0}>
<span class="history-question">${t.unreadable?"Cannot be read by this version":o.name??t.title}</span>
<span class="hint">
<span class="glyph" aria-hidden="true">${f}</span> ${g} · ${k} ${1===k?"agent":"agents"}${y.length>0?` (${y.join(", ")})`:""}${t.panel?` · ${t.panel}`:""} · ${l(t.created_at)}
</span>
</a>
<${n} icon="pin" label=${`${o.pinned?"Unpin":"Pin"}: ${t.title.slice(0,60)}`} aria-pressed=${void 0!==o.pinned} onClick=${()=>u({pinned:o.pinned?void 0:t})} />
<${n} icon="edit" label=${`Rename: ${t.title.slice(0,60)}`} onClick=${()=>h("named")} />
<${n} icon="trash" label=${`Delete: ${t.title.slice(0,60)}`} onClick=${()=>h("asks")} />
</li>`}export{c as History};
