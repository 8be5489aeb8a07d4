import{h as e,b as t,d as a,m as s,I as n,u as l,f as r,g as i,i as o,M as $,j as c,S as d,k as p}from"./page-04db0521df04.js";import{scores as u,MISSING_STATES as h,verdict as g,panelProgress as f}from"./panel-words-7983f34a4637.js";import{Inputs as m,EarlierSpeech as v}from"./turns-d73c37134d53.js";const b={judge:"Chosen",rank:"Points",vote:"Votes",debate:"Said by"};function y({panel:a,run:s,title:n}){const{result:l,late:r}=a;if(null===l)return null;const i=k(a,s);return e`<div class="panel-result">
<${w} panel=${a} run=${s} title=${n} />
${void 0!==l.revision&&e`<p class="hint">Spoken once more, after a late answer.</p>`}
${i.map(({agent:t,status:a})=>e`<p class="hint" key=${t}>Without ${n(t)}: ${h[a]}</p>`)}
${r.map(({agent:a,chars:s})=>e`<p class="hint" key=${a}>Late: ${n(a)}, ${t(s)} characters</p>`)}
</div>`}function k({method:e,result:t,late:a},{agents:s}){const n=[...a,...s[t?.by??""]?.missing??[]].map(({agent:e})=>e);return"race"===e?[]:(t?.missing??[]).filter(({agent:e})=>!n.includes(e))}function w({panel:t,run:a,title:s}){const n=u(t,a);if(0===n.length)return null;const l=Math.max(...n.map(({score:e})=>e),1),r=Reflect.get(b,t.method)??"Score";return e`<table class="scores">
<thead><tr><th scope="col"><span class="unseen">What</span></th><th scope="col">${r}</th></tr></thead>
<tbody>
${n.map(({key:t,score:n,agent:r})=>e`<tr key=${t} data-hue=${null===r?void 0:a.agentIds.indexOf(r)%8}>
<th scope="row">${null===r?t:s(r)}</th>
<td><div>
<svg aria-hidden="true" height="10"><rect width="100%" height="10" rx="5" /><rect class="bar" width=${n/l*100+"%"} height="10" rx="5" /></svg>
<span>${Number(n.toFixed(2))}</span>
</div></td>
</tr>`)}
</tbody>
</table>`}function x({panel:t,speakers:l,face:r}){const[i,o]=a(!1),$=r.source.getSnapshot(),c=l.at(-1),[d,p]=t.result?g(t.result,r.title):["●",f(t,$)],h=null===t.panel_id&&t.title===t.method?s(t.method)?.title??t.title:t.title,m=function(e,t){const{result:a,late:s}=e;return null!==a&&(void 0!==a.revision||k(e,t).length+s.length+u(e,t).length>0)}(t,$),v=s(t.method)?.title;return e`<section
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
${(void 0!==c||m)&&e`<${n} icon=${i?"down":"up"} label=${i?"Unfold the panel":"Fold the panel"} aria-expanded=${!i} onClick=${()=>o(!i)} />`}
</div>
</header>
${!i&&(void 0!==c||m)&&e`<div class="panel-body" tabindex="0" role="group" aria-label=${`${h}: what came of it`}>
${l.slice(0,-1).map(t=>e`<${S} key=${t} agentId=${t} face=${r} />`)}
${void 0!==c&&e`<${j} key=${c} agentId=${c} face=${r} method=${t.method} />`}
${m&&e`<${y} panel=${t} run=${$} title=${r.title} />`}
</div>`}
</section>`}function I({agentId:t,face:a}){const s=l(a.source.subscribe,()=>a.source.getAgent(t));if(r(!i(s)&&(a.open||!a.steerable),200),void 0===s)return null;const c=o(s,a.source.now()).filter(({label:e,value:t})=>["first","tokens","time"].includes(e)&&"–"!==t);return e`<p class="hint speaker">
<span>by ${s.title}</span>
${c.map(({name:t,label:a,value:s})=>e`<span key=${t} title=${t}>${"first"===a?"first ":""}${s}${"tokens"===a?" tokens":""}</span>`)}
</p>
${(a.open||!i(s))&&e`<${$} agent=${s} face=${a} />`}
<${n} icon="copy" label=${`Copy ${s.title}'s last word`} disabled=${""===s.text} onClick=${()=>a.act("copy-last",t)} />`}function j({agentId:t,face:a,method:s}){const n=l(a.source.subscribe,()=>a.source.getAgent(t));if(void 0===n)return null;const r=n.turns.filter(({stage:e})=>"final"===e),i="judge"===s;return e`<div class="last-word">
${a.earlier.map(a=>a.agents[t]&&e`<details class="part speech" key=${a.run_id}>
<summary>${a.message}</summary>
<div class="speech-text"><${p} text=${a.agents[t]?.text??""} ended=${!0} /></div>
</details>`)}
<${m} agent=${n} lettered=${i} title=${a.title} />
${r.map((t,a)=>e`<${v} key=${a} turn=${t} name=${i?"In the other order":"Before"} />`)}
<${d} agent=${n} face=${{...a,compareWith:null}} />
</div>`}function S({agentId:t,face:a}){const s=a.source.getAgent(t);if(void 0===s)return null;const[n,l]=c[s.status];return e`<p class="hint failed-speaker">
${n} ${s.title} ${l}${s.error&&`: ${s.error.message}`}
</p>`}export{x as PanelCard};
