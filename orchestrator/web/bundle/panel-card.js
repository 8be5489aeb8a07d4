import{html as e,count as t,d as a,IconButton as n,useValue as s,useTick as l,hasEnded as r,figures as i,MainButton as o,AGENT_STATES as $,Speech as c,Answer as d}from"./page.js";import{scores as p,MISSING_STATES as u,traitsOf as h,verdict as g,panelProgress as f}from"./panel-words.js";import{styled as m,Inputs as v,EarlierSpeech as b}from"./run-turns.js";function y({panel:a,run:n,title:s}){const{result:l,late:r}=a;if(null===l)return null;const i=k(a,n);return e`<div class="panel-result">
<${w} panel=${a} run=${n} title=${s} />
${void 0!==l.revision&&e`<p class="hint">Spoken once more, after a late answer.</p>`}
${i.map(({agent:t,status:a})=>e`<p class="hint" key=${t}>Without ${s(t)}: ${u[a]}</p>`)}
${r.map(({agent:a,chars:n})=>e`<p class="hint" key=${a}>Late: ${s(a)}, ${t(n)} characters</p>`)}
</div>`}function k({method:e,result:t,late:a},{agents:n}){const s=[...a,...n[t?.by??""]?.missing??[]].map(({agent:e})=>e);return h(e).first?[]:(t?.missing??[]).filter(({agent:e})=>!s.includes(e))}function w({panel:t,run:a,title:n}){const s=p(t,a);if(0===s.length)return null;const l=Math.max(...s.map(({score:e})=>e),1),r=h(t.method).head??"Score";return e`<table class="scores">
<thead><tr><th scope="col"><span class="unseen">What</span></th><th scope="col">${r}</th></tr></thead>
<tbody>
${s.map(({key:t,score:s,agent:r})=>e`<tr key=${t} data-hue=${null===r?void 0:a.agentIds.indexOf(r)%8}>
<th scope="row">${null===r?t:n(r)}</th>
<td><div>
<svg aria-hidden="true" height="10"><rect width="100%" height="10" rx="5" /><rect class="bar" width=${s/l*100+"%"} height="10" rx="5" /></svg>
<span>${Number(s.toFixed(2))}</span>
</div></td>
</tr>`)}
</tbody>
</table>`}function x({panel:t,speakers:s,face:l}){const[r,i]=a(!1),o=l.source.getSnapshot(),$=s.at(-1),[c,d]=t.result?g(t.result,l.title):["●",f(t,o)],u=l.methods.find(({method:e})=>e===t.method)?.title,h=null===t.panel_id&&t.title===t.method?u??t.title:t.title,m=function(e,t){const{result:a,late:n}=e;return null!==a&&(void 0!==a.revision||k(e,t).length+n.length+p(e,t).length>0)}(t,o);return e`<section
class=${m&&void 0!==$?"panel-card two":"panel-card"}
aria-labelledby="panel-title"
data-agent=${$}
data-status=${t.result?.status??"running"}
>
<header>
<h2 id="panel-title">${h}</h2>
${u&&u!==h&&e`<span class="hint">${u}</span>`}
<p class="panel-state state"><span class="glyph" aria-hidden="true">${c}</span> <span class="word">${d}</span></p>
<div class="panel-tools">
${void 0!==$&&e`<${I} agentId=${$} face=${l} />`}
${(void 0!==$||m)&&e`<${n} icon=${r?"down":"up"} label=${r?"Unfold the panel":"Fold the panel"} aria-expanded=${!r} onClick=${()=>i(!r)} />`}
</div>
</header>
${!r&&(void 0!==$||m)&&e`<div class="panel-body" tabindex="0" role="group" aria-label=${`${h}: what came of it`}>
${s.slice(0,-1).map(t=>e`<${A} key=${t} agentId=${t} face=${l} />`)}
${void 0!==$&&e`<${j} key=${$} agentId=${$} face=${l} method=${t.method} />`}
${m&&e`<${y} panel=${t} run=${o} title=${l.title} />`}
</div>`}
</section>`}function I({agentId:t,face:a}){const $=s(a.source.subscribe,()=>a.source.getAgent(t));if(l(!r($)&&(a.open||!a.steerable),200),void 0===$)return null;const c=i($,a.source.now()).filter(({label:e,value:t})=>["first","tokens","time"].includes(e)&&"–"!==t);return e`<p class="hint speaker">
<span>by ${$.title}</span>
${c.map(({name:t,label:a,value:n})=>e`<span key=${t} title=${t}>${"first"===a?"first ":""}${n}${"tokens"===a?" tokens":""}</span>`)}
</p>
${(a.open||!r($))&&e`<${o} agent=${$} face=${a} />`}
<${n} icon="copy" label=${`Copy ${$.title}'s last word`} disabled=${""===$.text} onClick=${()=>a.act("copy-last",t)} />`}function j({agentId:t,face:a,method:n}){const l=s(a.source.subscribe,()=>a.source.getAgent(t));if(void 0===l)return null;const r=l.turns.filter(({stage:e})=>"final"===e),{lettered:i=!1}=h(n);return e`<div class="last-word">
${a.earlier.map(a=>a.agents[t]&&e`<details class="part speech" key=${a.run_id}>
<summary>${a.message}</summary>
<div class="speech-text"><${d} text=${a.agents[t]?.text??""} ended=${!0} /></div>
</details>`)}
<${v} agent=${l} lettered=${i} title=${a.title} />
${r.map((t,a)=>e`<${b} key=${a} turn=${t} name=${i?"In the other order":"Before"} />`)}
<${c} agent=${l} face=${{...a,compareWith:null}} />
</div>`}function A({agentId:t,face:a}){const n=a.source.getAgent(t);if(void 0===n)return null;const[s,l]=$[n.status];return e`<p class="hint failed-speaker">
${s} ${n.title} ${l}${n.error&&`: ${n.error.message}`}
</p>`}export{x as PanelCard,m as styled};
