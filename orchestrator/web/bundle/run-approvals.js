import{pretty as t,html as o}from"./page.js";function n({agent:{agent_id:n,title:a,approvals:e},approve:p}){return e.map(({call_id:e,name:l,arguments:r})=>o`<div class="approval" key=${e} role="alert">
<p><strong>${a} asks to call <code>${l}</code>.</strong></p>
<pre tabindex="0">${t(r)}</pre>
${p&&o`<p>
<button type="button" class="main-button" onClick=${()=>p(n,e,!0)}>Allow</button>
<button type="button" class="main-button" onClick=${()=>p(n,e,!1)}>Refuse</button>
</p>`}
</div>`)}export{n as Approvals};
