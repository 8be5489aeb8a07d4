import{d as e,T as t,F as n,A as a,marks as r,IconButton as s,RUN_STATES as i,html as l,when as o}from"./page.js";const u=new URL("./history.css",import.meta.url).href;function c({pageState:o,state:{runs:c,history:d},current:$,refreshOn:m,close:h,forgotten:f}){const[b,g]=e({q:"",status:""}),[y,k]=e(r.all),v=t(null),_=t(null);n(()=>{const e=document.activeElement,t=e?.matches("input, textarea, select, [contenteditable]");return t||v.current?.focus(),()=>!t&&e instanceof HTMLElement&&e.focus()},[]),n(()=>{null!==_.current&&(v.current?.querySelector(`[data-run="${_.current}"] [aria-pressed]`))?.focus(),_.current=null}),a(()=>{const e=c.filter(({run_id:e,status:t})=>y[e]&&(y[e].pinned??y[e].named)?.status!==t);for(const t of e)r.set(t.run_id,y[t.run_id]?.pinned?{pinned:t}:{named:t});e.length>0&&k(r.all())},[c]);const C=""!==b.q||""!==b.status;a(()=>{const e=setTimeout(()=>{o.refresh({...b,q:b.q.trim()})},""===b.q?0:250);return()=>clearTimeout(e)},[o,m,b]);const q=async e=>{await o.forget(e)&&(r.set(e,{name:void 0,named:void 0,pinned:void 0}),k(r.all()),f(e))},w=e=>l`<${p}
key=${e.run_id}
run=${e}
mark=${y[e.run_id]??{}}
setMark=${t=>((e,t)=>{r.set(e,t),k(r.all()),"pinned"in t&&(_.current=e)})(e.run_id,t)}
current=${e.run_id===$}
forget=${q}
opened=${()=>matchMedia("(max-width: 899px), (max-height: 560px)").matches&&h()}
/>`,D=b.q.trim().toLowerCase(),x=e=>c.find(({run_id:t})=>t===e),E=e=>Object.values(y).flatMap(({[e]:t})=>t?[x(t.run_id)??t]:[]).filter(e=>(e=>`${y[e.run_id]?.name??""} ${e.title}`.toLowerCase())(e).includes(D)&&(""===b.status||e.status===b.status)),L=E("pinned"),S=[...""===D?[]:E("named").filter(({run_id:e})=>!x(e)),...c].filter(({run_id:e})=>!y[e]?.pinned);return l`<aside ref=${v} class="history" aria-label="History" tabindex="-1" onKeyDown=${e=>"Escape"===e.key&&!e.target.value&&h()}>
<link rel="stylesheet" href=${u} />
<div class="history-head">
<h2>History</h2>
<${s} icon="close" label="Close the history" onClick=${h} />
</div>
<div class="history-search">
<input type="search" aria-label="Search the questions" placeholder="Search" value=${b.q} onInput=${e=>g({...b,q:e.target.value})} />
<select class="pick" aria-label="Which runs" value=${b.status} onChange=${e=>g({...b,status:e.target.value})}>
<option value="">All</option>
${Object.entries(i).map(([e,[,t]])=>l`<option key=${e} value=${e}>${t}</option>`)}
</select>
</div>
${L.length>0&&l`<ul aria-label="Pinned" class="pinned">${L.map(w)}</ul>`}
<ul>${S.map(w)}</ul>
${L.length+S.length===0&&"all"===d&&l`<p class="hint">${C?"No run is like that.":"Nothing was asked yet."}</p>`}
${"loading"===d&&l`<p class="hint">Loading…</p>`}
${"more"===d&&l`<button type="button" class="menu-button" onClick=${()=>o.more()}>${c.length>0?"Older":"Try again"}</button>`}
</aside>`}const d=8e3;function p({run:a,mark:r,setMark:u,current:c,forget:p,opened:$}){const[m,h]=e("kept"),f=t(null),b=t(!1),g=t(m);n(()=>{"named"===m?f.current?.querySelector("input")?.select():m!==g.current&&f.current?.querySelector("kept"===m?"a":"button")?.focus(),g.current=m},[m]);const y=e=>"Escape"===e.key&&(e.stopPropagation(),h("kept"));if(n(()=>{if("deleted"!==m)return;let e=!0;const t=()=>{f.current?.contains(document.activeElement)&&f.current.closest(".history")?.focus(),e&&!b.current&&p(a.run_id),e=!1},n=setTimeout(t,d);return addEventListener("pagehide",t),()=>{clearTimeout(n),removeEventListener("pagehide",t),t()}},[m]),"named"===m)return l`<li ref=${f}><form class="asks" onSubmit=${e=>{e.preventDefault();const t=e.target.elements.name.value.trim(),n=""!==t&&t!==a.title;u({name:n?t:void 0,named:n&&!r.pinned?a:void 0}),h("kept")}} onKeyDown=${y}>
<input name="name" dir="auto" aria-label="Name of the run" maxlength="200" defaultValue=${r.name??a.title} />
<button class="menu-button">Keep</button>
</form></li>`;const k=(r.name??a.title).slice(0,60);if("asks"===m)return l`<li ref=${f} class="asks" role="group" onKeyDown=${y} aria-label=${`Delete ${k}?`}>
<span>Delete it for everybody?</span>
<button type="button" class="menu-button" onClick=${()=>h("kept")}>Keep</button>
<button type="button" class="menu-button danger" onClick=${()=>(b.current=!1,h("deleted"))}>Delete</button>
</li>`;if("deleted"===m)return l`<li ref=${f} class="asks"><span>Deleted.</span><button type="button" class="menu-button" onClick=${()=>(b.current=!0,h("kept"))}>Undo</button></li>`;const[v,_]=i[a.status],C=Object.keys(a.agents).length,q=Object.entries(a.agents).flatMap(([e,{variant_of:t}])=>t?[`${e} of ${t}`]:[]);return l`<li ref=${f} data-status=${a.status} data-run=${a.run_id}>
<a href=${`#run/${a.run_id}`} aria-current=${c?"page":void 0} onClick=${$}>
<span class="history-question">${a.unreadable?"Cannot be read by this version":r.name??a.title}</span>
<span class="hint">
<span class="glyph" aria-hidden="true">${v}</span> ${_} · ${C} ${1===C?"agent":"agents"}${q.length>0?` (${q.join(", ")})`:""}${a.panel?` · ${a.panel}`:""} · ${o(a.created_at)}
</span>
</a>
<${s} icon="pin" label=${`${r.pinned?"Unpin":"Pin"}: ${k}`} aria-pressed=${void 0!==r.pinned} onClick=${()=>u(r.pinned?{pinned:void 0,named:void 0===r.name?void 0:a}:{pinned:a,named:void 0})} />
<${s} icon="edit" label=${`Rename: ${k}`} onClick=${()=>h("named")} />
<${s} icon="trash" label=${`Delete: ${k}`} onClick=${()=>h("asks")} />
</li>`}export{c as History};
