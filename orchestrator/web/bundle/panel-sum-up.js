import{d as t,usualModerator as e,T as n,A as o,ModeratorPicker as l,methodOf as r,METHODS as s,inline as a,html as i,tooFew as d}from"./page.js";function $({state:{agents:$,panels:u},members:c,take:m}){const[p,b]=t(null),f=p??e($,u,c),h=n(null);o(()=>h.current?.querySelector("button")?.focus(),[]);const g=(t,e,n,o,l)=>{const s=d(e,c.length),a=l!==t&&"needed"===r(e)?.moderator&&""===f;return i`<button type="button" key=${t} title=${s??o} disabled=${null!==s||a} onClick=${()=>m(l)}>
${n}<span class="hint">${o}</span>
</button>`};return i`<div ref=${h}>
${u.map(({panel_id:t,title:e,method:n})=>g(t,n,e,r(n)?.title??n,t))}
<div class="menu-form">
<${l} agents=${$} moderator=${f} optional=${!0} choose=${b} />
</div>
${s.filter(({id:t})=>"race"!==t).map(({id:t,title:e,does:n})=>g(`method:${t}`,t,e,n,a(t,f)))}
</div>`}export{$ as SumUpItems};
