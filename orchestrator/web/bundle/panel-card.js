import{html as e,count as t,d as a,methodOf as n,IconButton as s,useValue as l,useTick as r,hasEnded as i,figures as o,MainButton as $,AGENT_STATES as c,Speech as d,Answer as p}from"./page.js";import{scores as u,MISSING_STATES as h,verdict as g,panelProgress as f}from"./panel-words.js";import{Inputs as m,EarlierSpeech as v}from"./run-turns.js";const b={judge:"Chosen",rank:"Points",vote:"Votes",debate:"Said by"};function y({panel:a,run:n,title:s}){const{result:l,late:r}=a;if(null===l)return null;const i=k(a,n);return e`<div class="panel-result">
<${w} panel=${a} run=${n} title=${s} />
${void 0!==l.revision&&e`<p class="hint">Spoken once more, after a late answer.</p>`}
${i.map(({agent:t,status:a})=>e`<p class="hint" key=${t}>Without ${s(t)}: ${h[a]}</p>`)}
${r.map(({agent:a,chars:n})=>e`<p class="hint" key=${a}>Late: ${s(a)}, ${t(n)} characters</p>`)}
</div>`}function k({method:e,result:t,late:a},{agents:n}){const s=[...a,...n[t?.by??""]?.missing??[]].map(({agent:e})=>e);return"race"===e?[]:(t?.missing??[]).filter(({agent:e})=>!s.includes(e))}function w({panel:t,run:a,title:n}){const s=u(t,a);if(0===s.length)return null;const l=Math.max(...s.map(({score:e})=>e),1),r=Reflect.get(b,t.method)??"Score";return e`<table class="scores">
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
</table>`}function x({panel:t,speakers:l,face:r}){const[i,o]=a(!1),$=r.source.getSnapshot(),c=l.at(-1),[d,p]=t.result?g(t.result,r.title):["●",f(t,$)],h=null===t.panel_id&&t.title===t.method?n(t.method)?.title??t.title:t.title,m=function(e,t){const{result:a,late:n}=e;return null!==a&&(void 0!==a.revision||k(e,t).length+n.length+u(e,t).length>0)}(t,$),v=n(t.method)?.title;return e`<section
class=${m&&void 0!==c?"panel-card two":"panel-card"}
aria-labelledby="panel-title"
data-agent=${c}
data-status=${t.result?.status??"running"}
>
<header>
<h2 id="panel-title">${h}</h2>
${v&&v!==h&&e`<span class="hint">${v}</span>`}
<p class="panel-state state"><span class="glyph" aria-hidden="true">${d}</span> <span class="word">${p}</span></p>
<div class="panel-tools">
${void 0!==c&&e`<${I} agentId=${c} face=${r} />`}
${(void 0!==c||m)&&e`<${s} icon=${i?"down":"up"} label=${i?"Unfold the panel":"Fold the panel"} aria-expanded=${!i} onClick=${()=>o(!i)} />`}
</div>
</header>
${!i&&(void 0!==c||m)&&e`<div class="panel-body" tabindex="0" role="group" aria-label=${`${h}: what came of it`}>
${l.slice(0,-1).map(t=>e`<${C} key=${t} agentId=${t} face=${r} />`)}
${void 0!==c&&e`<${j} key=${c} agentId=${c} face=${r} method=${t.method} />`}
${m&&e`<${y} panel=${t} run=${$} title=${r.title} />`}
</div>`}
</section>`}function I({agentId:t,face:a}){const n=l(a.source.subscribe,()=>a.source.getAgent(t));if(r(!i(n)&&(a.open||!a.steerable),200),void 0===n)return null;const c=o(n,a.source.now()).filter(({label:e,value:t})=>["first","tokens","time"].includes(e)&&"–"!==t);return e`<p class="hint speaker">
<span>by ${n.title}</span>
${c.map(({name:t,label:a,value:n})=>e`<span key=${t} title=${t}>${"first"===a?"first ":""}${n}${"tokens"===a?" tokens":""}</span>`)}
</p>
${(a.open||!i(n))&&e`<${$} agent=${n} face=${a} />`}
<${s} icon="copy" label=${`Copy ${n.title}'s last word`} disabled=${""===n.text} onClick=${()=>a.act("copy-last",t)} />`}function j({agentId:t,face:a,method:n}){const s=l(a.source.subscribe,()=>a.source.getAgent(t));if(void 0===s)return null;const r=s.turns.filter(({stage:e})=>"final"===e),i="judge"===n;return e`<div class="last-word">
${a.earlier.map(a=>a.agents[t]&&e`<details class="part speech" key=${a.run_id}>
<summary>${a.message}</summary>
<div class="speech-text"><${p} text=${a.agents[t]?.text??""} ended=${!0} /></div>
</details>`)}
<${m} agent=${s} lettered=${i} title=${a.title} />
${r.map((t,a)=>e`<${v} key=${a} turn=${t} name=${i?"In the other order":"Before"} />`)}
<${d} agent=${s} face=${{...a,compareWith:null}} />
</div>`}function C({agentId:t,face:a}){const n=a.source.getAgent(t);if(void 0===n)return null;const[s,l]=c[n.status];return e`<p class="hint failed-speaker">
${s} ${n.title} ${l}${n.error&&`: ${n.error.message}`}
</p>`}export{x as PanelCard};
