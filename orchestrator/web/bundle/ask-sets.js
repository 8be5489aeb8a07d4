import{d as t,T as e,A as n,IconButton as a,html as o,sets as s}from"./page.js";function l({agents:l,chosen:i,choose:r,close:u}){const[c,g]=t(s.get),[m,p]=t(""),$=e(null);n(()=>$.current?.querySelector("button")?.focus(),[]);const b=t=>{s.set(t),g(t)},h=t=>{t.preventDefault(),t.stopPropagation();const e=m.trim();""!==e&&0!==i.length&&(b([...c.filter(t=>t.name!==e),{name:e,agents:[...i]}]),p(""))},v=new Set(l.map(({agent_id:t})=>t)),d=t=>{r(t.filter(t=>v.has(t))),u()};return o`<div ref=${$}>
<button type="button" onClick=${()=>d(l.map(({agent_id:t})=>t))}>Everyone</button>
${c.map(t=>o`<div class="menu-pair" key=${t.name}>
<button type="button" onClick=${()=>d(t.agents)}>
${t.name} <span class="hint">${1===t.agents.length?"1 agent":`${t.agents.length} agents`}</span>
</button>
<${a} icon="trash" label=${`Delete the set ${t.name}`} onClick=${()=>b(c.filter(e=>e!==t))} />
</div>`)}
<div class="menu-form">
<label for="set-name">Save this choice as</label>
<input
id="set-name"
value=${m}
maxlength="40"
onInput=${t=>p(t.target.value)}
onKeyDown=${t=>"Enter"===t.key&&h(t)}
/>
<button type="button" onClick=${h} disabled=${""===m.trim()||0===i.length}>Save</button>
</div>
</div>`}export{l as SetItems};
