import{d as t,y as e,T as n,A as o,z as s,m as a,B as l,C as r,h as i,D as d}from"./page-04db0521df04.js";function $({state:{agents:$,panels:u},members:m,take:c}){const[p,b]=t(null),f=p??e($,u,m),h=n(null);o(()=>h.current?.querySelector("button")?.focus(),[]);const g=(t,e,n,o,s)=>{const l=d(e,m.length),r=s!==t&&"needed"===a(e)?.moderator&&""===f;return i`<button type="button" key=${t} title=${l??o} disabled=${null!==l||r} onClick=${()=>c(s)}>
${n}<span class="hint">${o}</span>
</button>`};return i`<div ref=${h}>
${u.map(({panel_id:t,title:e,method:n})=>g(t,n,e,a(n)?.title??n,t))}
<div class="menu-form">
<${s} agents=${$} moderator=${f} optional=${!0} choose=${b} />
</div>
${l.filter(({id:t})=>"race"!==t).map(({id:t,title:e,does:n})=>g(`method:${t}`,t,e,n,r(t,f)))}
</div>`}export{$ as SumUpItems};
