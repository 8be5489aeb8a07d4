import{IconButton as a,html as e}from"./page.js";function l({attached:l,remove:n}){return e`<ul class="attached" aria-label="Attached">
${l.map(l=>e`<li key=${l.name}>
${null===l.image?e`<span>${l.name}${l.encoding&&e` <small>${l.encoding}</small>`}</span>`:e`<img src=${l.image} alt=${l.name} title=${l.name} />`}
<${a} icon="close" label=${`Remove ${l.name}`} onClick=${()=>n(l)} />
</li>`)}
</ul>`}export{l as AttachedList};
