import{d as e,T as t,F as n,A as a,IconButton as r,RUN_STATES as s,html as i,when as l,marks as o}from"./page.js";const u=new URL("./history.css",import.meta.url).href;function c({pageState:l,state:{runs:c,history:d},current:p,refreshOn:m,close:h,forgotten:f}){const[b,g]=e({q:"",status:""}),[y,k]=e(o.all),v=t(null),C=t(null);n(()=>{const e=document.activeElement;return v.current?.focus(),()=>e instanceof HTMLElement&&e.focus()},[]),n(()=>{null!==C.current&&(v.current?.querySelector(`[data-run="${C.current}"] [aria-pressed]`))?.focus(),C.current=null});const _=""!==b.q||""!==b.status;a(()=>{const e=setTimeout(()=>{l.refresh({...b,q:b.q.trim()})},""===b.q?0:250);return()=>clearTimeout(e)},[l,m,b]);const q=async e=>{await l.forget(e)&&(o.set(e,{name:void 0,named:void 0,pinned:void 0}),k(o.all()),f(e))},w=e=>i`<${$}
key=${e.run_id}
run=${e}
mark=${y[e.run_id]??{}}
setMark=${t=>((e,t)=>{o.set(e,t),k(o.all()),"pinned"in t&&(C.current=e)})(e.run_id,t)}
current=${e.run_id===p}
forget=${q}
opened=${()=>matchMedia("(max-width: 899px), (max-height: 560px)").matches&&h()}
/>`,D=b.q.trim().toLowerCase(),x=e=>c.find(({run_id:t})=>t===e),E=e=>Object.values(y).flatMap(({[e]:t})=>t?[x(t.run_id)??t]:[]).filter(e=>(e=>`${y[e.run_id]?.name??""} ${e.title}`.toLowerCase())(e).includes(D)&&(""===b.status||e.status===b.status)),L=E("pinned"),S=[...""===D?[]:E("named").filter(({run_id:e})=>!x(e)),...c].filter(({run_id:e})=>!y[e]?.pinned);return i`<aside ref=${v} class="history" aria-label="History" tabindex="-1" onKeyDown=${e=>"Escape"===e.key&&!e.target.value&&h()}>
<link rel="stylesheet" href=${u} />
<div class="history-head">
<h2>History</h2>
<${r} icon="close" label="Close the history" onClick=${h} />
</div>
<div class="history-search">
<input type="search" aria-label="Search the questions" placeholder="Search" value=${b.q} onInput=${e=>g({...b,q:e.target.value})} />
<select class="pick" aria-label="Which runs" value=${b.status} onChange=${e=>g({...b,status:e.target.value})}>
<option value="">All</option>
${Object.entries(s).map(([e,[,t]])=>i`<option key=${e} value=${e}>${t}</option>`)}
</select>
</div>
${L.length>0&&i`<ul aria-label="Pinned" class="pinned">${L.map(w)}</ul>`}
<ul>${S.map(w)}</ul>
${L.length+S.length===0&&"all"===d&&i`<p class="hint">${_?"No run is like that.":"Nothing was asked yet."}</p>`}
${"loading"===d&&i`<p class="hint">Loading…</p>`}
${"more"===d&&i`<button type="button" class="menu-button" onClick=${()=>l.more()}>${c.length>0?"Older":"Try again"}</button>`}
</aside>`}const d=8e3;function $({run:a,mark:o,setMark:u,current:c,forget:$,opened:p}){const[m,h]=e("kept"),f=t(null),b=t(!1),g=t(m);n(()=>{"named"===m?f.current?.querySelector("input")?.select():m!==g.current&&f.current?.querySelector("kept"===m?"a":"button")?.focus(),g.current=m},[m]);const y=e=>"Escape"===e.key&&(e.stopPropagation(),h("kept"));if(n(()=>{if("deleted"!==m)return;let e=!0;const t=()=>{f.current?.contains(document.activeElement)&&f.current.closest(".history")?.focus(),e&&!b.current&&$(a.run_id),e=!1},n=setTimeout(t,d);return addEventListener("pagehide",t),()=>{clearTimeout(n),removeEventListener("pagehide",t),t()}},[m]),"named"===m)return i`<li ref=${f}><form class="asks" onSubmit=${e=>{e.preventDefault();const t=e.target.elements.name.value.trim(),n=""!==t&&t!==a.title;u({name:n?t:void 0,named:n?a:void 0}),h("kept")}} onKeyDown=${y}>
<input name="name" dir="auto" aria-label="Name of the run" maxlength="200" defaultValue=${o.name??a.title} />
<button class="menu-button">Keep</button>
</form></li>`;const k=(o.name??a.title).slice(0,60);if("asks"===m)return i`<li ref=${f} class="asks" role="group" onKeyDown=${y} aria-label=${`Delete ${k}?`}>
<span>Delete it for everybody?</span>
<button type="button" class="menu-button" onClick=${()=>h("kept")}>Keep</button>
<button type="button" class="menu-button danger" onClick=${()=>(b.current=!1,h("deleted"))}>Delete</button>
</li>`;if("deleted"===m)return i`<li ref=${f} class="asks"><span>Deleted.</span><button type="button" class="menu-button" onClick=${()=>(b.current=!0,h("kept"))}>Undo</button></li>`;const[v,C]=s[a.status],_=Object.keys(a.agents).length,q=Object.entries(a.agents).flatMap(([e,{variant_of:t}])=>t?[`${e} of ${t}`]:[]);return i`<li ref=${f} data-status=${a.status} data-run=${a.run_id}>
<a href=${`#run/${a.run_id}`} aria-current=${c?"page":void 0} onClick=${p}>
<span class="history-question">${a.unreadable?"Cannot be read by this version":o.name??a.title}</span>
<span class="hint">
<span class="glyph" aria-hidden="true">${v}</span> ${C} · ${_} ${1===_?"agent":"agents"}${q.length>0?` (${q.join(", ")})`:""}${a.panel?` · ${a.panel}`:""} · ${l(a.created_at)}
</span>
</a>
<${r} icon="pin" label=${`${o.pinned?"Unpin":"Pin"}: ${k}`} aria-pressed=${void 0!==o.pinned} onClick=${()=>u({pinned:o.pinned?void 0:a})} />
<${r} icon="edit" label=${`Rename: ${k}`} onClick=${()=>h("named")} />
<${r} icon="trash" label=${`Delete: ${k}`} onClick=${()=>h("asks")} />
</li>`}export{c as History};
