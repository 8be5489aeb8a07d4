import{d as e,T as t,A as o,html as s,IconButton as n,settings as l}from"./page.js";import{ask as a}from"./history-other-tabs.js";const i=new URL("./dialogs.css",import.meta.url).href,r=[["Ctrl + Enter","Ask"],["Esc, Esc","Stop the agent whose column has the focus"],["Shift + Esc, twice","Stop all"],["1 – 9","Go to a column"],["M","Maximise the column, or show all again"],["/","Go to the question"],["?","This help"]];function c({close:e,forgetToken:t}){return s`<${f} title="Keys" close=${e}>
<table class="keys">
<tbody>
${r.map(([e,t])=>s`<tr key=${e}><th scope="row"><kbd>${e}</kbd></th><td>${t}</td></tr>`)}
</tbody>
</table>
<${u} />
<p class="hint">
<a href="docs">The API</a> · <a href="web/vendor/manifest.json">Libraries of this page</a>
</p>
${t&&s`<button type="button" class="menu-button" onClick=${t}>Forget the token</button>`}
<//>`}const h=[["enterSends","Enter asks, Shift + Enter breaks the line"],["singleKeys","Keys without Ctrl: 1 – 9, M, / and ?"],["notify","A notification when an agent waits for you"]];function u(){const[t,o]=e(l.get);return s`<fieldset class="settings">
<legend class="unseen">Settings</legend>
${h.map(([e,n])=>s`<label class="check" key=${e}>
<input type="checkbox" checked=${t[e]} onChange=${()=>(async e=>{const s=!t[e];("notify"!==e||!s||"Notification"in globalThis&&"granted"===await Notification.requestPermission())&&l.set({[e]:s}),o(l.get())})(e)} /> ${n}
</label>`)}
</fieldset>`}function d({refused:n,unlock:l}){const[r,c]=e(""),[h,u]=e(!1),d=t(null);return o(()=>{d.current?.focus(),n||a().then(e=>null!==e&&l(e,!1))},[n]),s`<form class="token" onSubmit=${e=>{e.preventDefault(),""!==r.trim()&&l(r.trim(),h)}}>
<link rel="stylesheet" href=${i} />
<h1>This server asks for a token</h1>
<p class="hint">It was given to <code>orchestrator serve</code> as <code>--token</code> or <code>ORCHESTRATOR_TOKEN</code>.</p>
${n&&s`<p class="error" role="alert">That token is not right.</p>`}
<label for="token">Token</label>
<input id="token" ref=${d} type="password" autocomplete="off" value=${r} onInput=${e=>c(e.target.value)} />
<label class="check">
<input type="checkbox" checked=${h} onChange=${()=>u(!h)} /> Keep it on this device
</label>
<p class="hint">
${h?"Kept in this browser’s local storage until you take it away.":"Kept in this browser’s open tabs until they are closed."}
</p>
<button class="ask" disabled=${""===r.trim()}>Continue</button>
</form>`}function f({title:e,close:l,children:a}){const r=t(null);return o(()=>r.current?.showModal(),[]),s`<dialog ref=${r} aria-labelledby="dialog-title" onClose=${l} onClick=${e=>e.target===r.current&&l()}>
<link rel="stylesheet" href=${i} />
<div class="dialog-head">
<h2 id="dialog-title">${e}</h2>
<${n} icon="close" label="Close" onClick=${l} />
</div>
${a}
</dialog>`}export{d as AskToken,f as Dialog,c as Help};
