// One TLS handshake of Node's stack with 198.51.100.2: node client.js [NAME [TLSv1.x]]. Certificates are not looked at.
const [name, version] = process.argv.slice(2);
const options = { host: '198.51.100.2', port: 443, rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] };
if (name) options.servername = name;
if (version) Object.assign(options, { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' });
const socket = require('tls').connect(options, () => socket.destroy());
socket.on('error', () => {});
