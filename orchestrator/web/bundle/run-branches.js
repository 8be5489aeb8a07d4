import{T as e,F as n,html as t,AGENT_STATES as a,Answer as r,IconButton as s}from"./page.js";let l=null;const c=e=>(e?.closest(".column"))?.dataset.agent;function o({branches:a,open:r}){const s=a.indexOf(r),o=e(null);n(()=>{const e=l;if(null===e||e.to!==r||e.branches!==String(a))return;const n=()=>{if(l!==e)return;l=null;const n=o.current?.querySelector(`[aria-label="${e.label}"]`)??o.current?.querySelector("a");n?.focus()};e.column===c(o.current)?n():queueMicrotask(n)});const i=(e,n,r)=>void 0===a[e]?t`<span class="icon-button" aria-hidden="true">${n}</span>`:t`<a class="icon-button" href=${`#run/${a[e]}`} aria-label=${r} title=${r} onClick=${({ctrlKey:n,metaKey:t,shiftKey:s})=>l=n||t||s?null:{branches:String(a),to:a[e],label:r,column:c(o.current)}}>${n}</a>`;return t`<span ref=${o} class="branches" role="group" aria-label="What was asked here">
${i(s-1,"‹","The question asked before")}
<span>${s+1} of ${a.length}</span>
${i(s+1,"›","The question asked after")}
</span>`}function i({turn:e,agentId:n,face:{act:l,branches:c,record:i,steerable:u,open:$,title:d}}){const p=e.agents[n];if(void 0===p)return null;const[b,h]=a[p.status],f=c[e.run_id];return t`<article class="turn">
<p class="question">${e.message}</p>
<p class="turn-row">
${f&&t`<${o} branches=${f} open=${i} />`}
${u&&!$&&t`<${s} icon="edit" label="Edit this question and ask again" onClick=${()=>l("edit",e.run_id)} />
<${s} icon="retry" label=${`Ask ${d(n)} this again`} onClick=${()=>l("anew",n,e.run_id)} />`}
</p>
<${r} text=${p.text} ended=${!0} />
${"done"!==p.status&&t`<p class="hint">${b} ${h}</p>`}
</article>`}export{o as Branches,i as EarlierTurn};
