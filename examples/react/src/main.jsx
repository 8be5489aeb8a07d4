import { createClient } from 'fanin-client';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { App } from './App.jsx';
import './style.css';

// One client for the whole page: its runs share a connection, and other tabs share it too.
const client = createClient();

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <App client={client} />
  </StrictMode>,
);
