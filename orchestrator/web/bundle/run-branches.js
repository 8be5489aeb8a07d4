import{T as e,F as n,html as t,AGENT_STATES as a,Answer as r,IconButton as s}from"./page.js";let l=null;function i({branches:a,open:r}){const s=a.indexOf(r),i=e(null);n(()=>{if(null===l||l.to!==r||l.branches!==String(a))return;const e=i.current?.querySelector(`[aria-label="${l.label}"]`)??i.current?.querySelector("a");e?.focus(),l=null});const o=(e,n,r)=>void 0===a[e]?t`<span class="icon-button" aria-hidden="true">${n}</span>`:t`<a class="icon-button" href=${`#run/${a[e]}`} aria-label=${r} title=${r} onClick=${({ctrlKey:n,metaKey:t,shiftKey:s})=>l=n||t||s?null:{branches:String(a),to:a[e],label:r}}>${n}</a>`;return t`<span ref=${i} class="branches" role="group" aria-label="What was asked here">
${o(s-1,"‹","The question asked before")}
<span>${s+1} of ${a.length}</span>
${o(s+1,"›","The question asked after")}
</span>`}function o({turn:e,agentId:n,face:{act:l,branches:o,record:c,steerable:u,open:$,title:d}}){const p=e.agents[n];if(void 0===p)return null;const[b,h]=a[p.status],f=o[e.run_id];return t`<article class="turn">
<p class="question">${e.message}</p>
<p class="turn-row">
${f&&t`<${i} branches=${f} open=${c} />`}
${u&&!$&&t`<${s} icon="edit" label="Edit this question and ask again" onClick=${()=>l("edit",e.run_id)} />
<${s} icon="retry" label=${`Ask ${d(n)} this again`} onClick=${()=>l("anew",n,e.run_id)} />`}
</p>
<${r} text=${p.text} ended=${!0} />
${"done"!==p.status&&t`<p class="hint">${b} ${h}</p>`}
</article>`}export{i as Branches,o as EarlierTurn};
