import{html as e,AGENT_STATES as n,Answer as a,IconButton as t}from"./page.js";function s({branches:n,open:a}){const t=n.indexOf(a),s=(a,t,s)=>void 0===n[a]?e`<span class="icon-button" aria-hidden="true">${t}</span>`:e`<a class="icon-button" href=${`#run/${n[a]}`} aria-label=${s} title=${s}>${t}</a>`;return e`<span class="branches" role="group" aria-label="What was asked here">
${s(t-1,"‹","The question asked before")}
<span>${t+1} of ${n.length}</span>
${s(t+1,"›","The question asked after")}
</span>`}function r({turn:r,agentId:i,face:{act:o,branches:$,record:c,steerable:l,open:u,title:d}}){const p=r.agents[i];if(void 0===p)return null;const[h,b]=n[p.status],f=$[r.run_id];return e`<article class="turn">
<p class="question">${r.message}</p>
<p class="turn-row">
${f&&e`<${s} branches=${f} open=${c} />`}
${l&&!u&&e`<${t} icon="edit" label="Edit this question and ask again" onClick=${()=>o("edit",r.run_id)} />
<${t} icon="retry" label=${`Ask ${d(i)} this again`} onClick=${()=>o("anew",i,r.run_id)} />`}
</p>
<${a} text=${p.text} ended=${!0} />
${"done"!==p.status&&e`<p class="hint">${h} ${b}</p>`}
</article>`}export{s as Branches,r as EarlierTurn};
