import{d as t,h as e,T as o,A as s,I as a}from"./page-edc9326e3ce0.js";const l=[["Ctrl + Enter","Ask"],["Esc","Stop the agent whose column has the focus"],["Shift + Esc","Stop all"],["1 – 9","Go to a column"],["M","Maximise the column, or show all again"],["/","Go to the question"],["?","This help"]];function n({close:t,forgetToken:o}){return e`<${r} title="Keys" close=${t}>
<table class="keys">
<tbody>
${l.map(([t,o])=>e`<tr key=${t}><th scope="row"><kbd>${t}</kbd></th><td>${o}</td></tr>`)}
</tbody>
</table>
<p class="hint">
<a href="docs">The API</a> · <a href="web/vendor/manifest.json">Libraries of this page</a>
</p>
${o&&e`<button type="button" class="menu-button" onClick=${o}>Forget the token</button>`}
<//>`}function i({refused:o,unlock:s}){const[a,l]=t(""),[n,i]=t(!1);return e`<form class="token" onSubmit=${t=>{t.preventDefault(),""!==a.trim()&&s(a.trim(),n)}}>
<h2>This server asks for a token</h2>
<p class="hint">It was given to <code>orchestrator serve</code> as <code>--token</code> or <code>ORCHESTRATOR_TOKEN</code>.</p>
${o&&e`<p class="error" role="alert">That token is not right.</p>`}
<label for="token">Token</label>
<input id="token" type="password" autocomplete="off" value=${a} onInput=${t=>l(t.target.value)} />
<label class="check">
<input type="checkbox" checked=${n} onChange=${()=>i(!n)} /> Keep it on this device
</label>
<p class="hint">
${n?"Kept in this browser’s local storage until you take it away.":"Kept in this tab until it is closed."}
</p>
<button class="ask" disabled=${""===a.trim()}>Continue</button>
</form>`}function r({title:t,close:l,children:n}){const i=o(null);return s(()=>i.current?.showModal(),[]),e`<dialog ref=${i} aria-labelledby="dialog-title" onClose=${l} onClick=${t=>t.target===i.current&&l()}>
<div class="dialog-head">
<h2 id="dialog-title">${t}</h2>
<${a} icon="close" label="Close" onClick=${l} />
</div>
${n}
</dialog>`}export{i as AskToken,n as Help};
