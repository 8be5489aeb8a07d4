import{q as t,h as o}from"./page-04db0521df04.js";function a({agent:{agent_id:a,title:n,approvals:e},approve:p}){return e.map(({call_id:e,name:l,arguments:s})=>o`<div class="approval" key=${e} role="alert">
<p><strong>${n} asks to call <code>${l}</code>.</strong></p>
<pre tabindex="0">${t(s)}</pre>
${p&&o`<p>
<button type="button" class="main-button" onClick=${()=>p(a,e,!0)}>Allow</button>
<button type="button" class="main-button" onClick=${()=>p(a,e,!1)}>Refuse</button>
</p>`}
</div>`)}export{a as Approvals};
