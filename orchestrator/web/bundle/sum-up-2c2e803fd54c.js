import{d as t,v as e,T as n,A as o,x as s,m as a,y as l,z as r,h as i,B as d}from"./page-edc9326e3ce0.js";function $({state:{agents:$,panels:u},members:m,take:c}){const[p,b]=t(null),f=p??e($,u,m),h=n(null);o(()=>h.current?.querySelector("button")?.focus(),[]);const v=(t,e,n,o,s)=>{const l=d(e,m.length),r=s!==t&&"needed"===a(e)?.moderator&&""===f;return i`<button type="button" key=${t} title=${l??o} disabled=${null!==l||r} onClick=${()=>c(s)}>
${n}<span class="hint">${o}</span>
</button>`};return i`<div ref=${h}>
${u.map(({panel_id:t,title:e,method:n})=>v(t,n,e,a(n)?.title??n,t))}
<div class="menu-form">
<${s} agents=${$} moderator=${f} optional=${!0} choose=${b} />
</div>
${l.filter(({id:t})=>"race"!==t).map(({id:t,title:e,does:n})=>v(`method:${t}`,t,e,n,r(t,f)))}
</div>`}export{$ as SumUpItems};
