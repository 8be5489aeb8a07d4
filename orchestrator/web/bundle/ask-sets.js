import{d as t,T as e,A as n,IconButton as a,html as o,sets as i}from"./page.js";function l({agents:l,chosen:s,choose:r,vary:u,drop:$,close:c}){const[p,g]=t(i.get),[b,m]=t(""),h=e(null);n(()=>h.current?.querySelector("button")?.focus(),[]);const v=t=>{i.set(t),g(t)},d=t=>{t.preventDefault(),t.stopPropagation();const e=b.trim();""!==e&&0!==s.length&&(v([...p.filter(t=>t.name!==e),{name:e,agents:[...s]}]),m(""))},y=new Set(l.map(({agent_id:t})=>t)),f=t=>{r(t.filter(t=>y.has(t))),c()};return o`<div ref=${h}>
<button type="button" onClick=${()=>f(l.map(({agent_id:t})=>t))}>Everyone</button>
${p.map(t=>o`<div class="menu-pair" key=${t.name}>
<button type="button" onClick=${()=>f(t.agents)}>
${t.name} <span class="hint">${1===t.agents.length?"1 agent":`${t.agents.length} agents`}</span>
</button>
<${a} icon="trash" label=${`Delete the set ${t.name}`} onClick=${()=>v(p.filter(e=>e!==t))} />
</div>`)}
${l.filter(({variants:t=[]})=>t.length>0).map(({agent_id:t,title:e})=>o`<button type="button" key=${t} onClick=${()=>(c(),u(t))}>${e} with other settings…</button>`)}
${l.filter(t=>void 0!==t.variant_of).map(({agent_id:t,title:e})=>o`<div class="menu-pair" key=${t}>
<button type="button" onClick=${()=>(c(),u(t))}>${e}<span class="hint">copy</span></button>
<${a} icon="trash" label=${`Forget ${e}`} onClick=${()=>$(t)} />
</div>`)}
<div class="menu-form">
<label for="set-name">Save this choice as</label>
<input
id="set-name"
value=${b}
maxlength="40"
onInput=${t=>m(t.target.value)}
onKeyDown=${t=>"Enter"===t.key&&d(t)}
/>
<button type="button" onClick=${d} disabled=${""===b.trim()||0===s.length}>Save</button>
</div>
</div>`}export{l as SetItems};
