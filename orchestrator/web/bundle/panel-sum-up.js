import{d as e,usualModerator as t,T as n,A as a,html as o,ModeratorPicker as l,tooFew as r,IconButton as i,inline as s}from"./page.js";function u({state:{agents:u,panels:$,methods:d},members:p,take:c}){const[b,f]=e(null),[k,h]=e(null),v=b??t(u,$,p),y=n(null);a(()=>(y.current?.querySelector("textarea, input, button"))?.focus(),[k]);const g=({method:e,moderator:t})=>s(e,"none"===t?"":v),x=e=>r(e,p.length)??("required"===e?.moderator&&""===v?"Somebody has to sum up.":null),q=(e,t,n,a)=>o`<button type="button" title=${n??t} disabled=${null!==n} onClick=${()=>c(a)}>
${e}<span class="hint">${t}</span>
</button>`;return null!==k?o`<div ref=${y}><${m} method=${k} back=${()=>h(null)} take=${e=>c({...g(k),...e})} /></div>`:o`<div ref=${y}>
${$.map(({panel_id:e,title:t,method:n})=>{const a=d.find(e=>e.method===n);return q(t,a?.title??n,r(a,p.length),e)})}
<div class="menu-form">
<${l} agents=${u} moderator=${v} optional=${!0} choose=${f} />
</div>
${d.filter(e=>e.over_answers).map(e=>o`<div class="menu-pair" key=${e.method}>
${q(e.title,e.description,x(e),g(e))}
<${i} icon="edit" label=${`Edit ${e.title}'s prompt and keys`} disabled=${null!==x(e)} onClick=${()=>h(e)} />
</div>`)}
</div>`}function m({method:{title:e,keys:t},back:n,take:a}){return o`<form class="menu-form keys-form" onSubmit=${e=>{e.preventDefault();const n=t.flatMap(({name:t,type:n,default:a})=>{const o=e.target.elements[t].value.trim();return""===o||o===String(a??"").trim()?[]:[[t,"integer"===n?Number(o):o]]});a(Object.fromEntries(n))}}>
${t.map(({name:e,type:t,default:n,minimum:a,maximum:l})=>o`<label key=${e}>
${e[0]?.toUpperCase()}${e.slice(1)}
${"integer"===t?o`<input name=${e} type="number" min=${a} max=${l} defaultValue=${n} required />`:o`<textarea name=${e} rows=${"prompt"===e?8:1} defaultValue=${n??""}></textarea>`}
${"prompt"===e&&o`<span class="hint">{question}, {answers} and {missing} are filled in.</span>`}
</label>`)}
<div class="menu-pair">
<button type="button" class="menu-button" onClick=${n}>Back</button>
<button class="menu-button on">${e}</button>
</div>
</form>`}export{u as SumUpItems};
