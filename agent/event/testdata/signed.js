// Makes signed.json: records as Port would publish them, with what Node's own
// JSON.stringify and crypto make of them. Run: node signed.js > signed.json
const crypto = require('node:crypto');

const secret = 'node-made-client-secret-0123456789abcdef';
const timestamp = '1767612505';
const method = (type) => ({ type, agent: true, url: 'https://ci.internal/hook' });
const event = (properties, type = 'WEBHOOK') => ({
  context: { runId: 'r_1' },
  payload: { action: { identifier: 'deploy', invocationMethod: method(type) }, properties },
});

const plain = (text) => text;
const ascii = (text) => text.replace(/[\u007f-\uffff]/g, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
const upperHex = (text) => ascii(text).replace(/\\u([0-9a-f]{4})/g, (_, hex) => '\\u' + hex.toUpperCase());
const slashes = (text) => text.replaceAll('/', '\\/');
// Every character of every string as an escape, names included.
const everyEscape = (text) => text.replace(/"(?:[^"\\]|\\.)*"/g, (literal) => {
  let out = '"';
  const value = JSON.parse(literal);
  for (let i = 0; i < value.length; i++) out += '\\u' + value.charCodeAt(i).toString(16).padStart(4, '0');
  return out + '"';
});

const cases = [];
function add(name, message, { encode = plain, indent, first = false, numericTimestamp = true, headers = {} } = {}) {
  const type = message.payload?.action?.invocationMethod?.type;
  const signed = type === 'GITLAB' ? message : first ? { headers, ...message } : { ...message, headers };
  const body = JSON.stringify(signed);
  const signature = 'v1,' + crypto.createHmac('sha256', secret).update(timestamp + '.' + body).digest('base64');
  const full = { ...headers, 'X-Port-Signature': signature, 'X-Port-Timestamp': numericTimestamp ? Number(timestamp) : timestamp };
  const record = first ? { headers: full, ...message } : { ...message, headers: full };
  cases.push({ name, record: encode(JSON.stringify(record, null, indent)), body, timestamp, signature });
}

const controls = Array.from({ length: 32 }, (_, i) => String.fromCharCode(i)).join('');
const text = 'Zürich – 東京 🚀 <a href="x">&amp;</a> \u2028\u2029 \u007f\u0080\u00a0\ufeff\ufffd\uffff C:\\dir /path/';

add('short', event({ a: 1 }));
add('every control character', event({ controls }));
add('every control character, escaped throughout', event({ controls }), { encode: everyEscape });
add('text of many scripts, raw', event({ text }));
add('text of many scripts, as ASCII', event({ text }), { encode: ascii });
add('text of many scripts, upper-case escapes', event({ text, controls }), { encode: upperHex });
add('text of many scripts, escaped throughout', event({ text }), { encode: everyEscape });
add('escaped slashes', event({ text, '/': '//' }), { encode: slashes });
add('lone high surrogate', event({ s: 'a\ud83d', t: '\ud83dz' }));
add('lone low surrogate', event({ s: '\ude80a' }));
add('surrogates the wrong way round', event({ s: '\ude80\ud83d' }));
add('high surrogate before a pair', event({ s: '\ud83d\ud83d\ude80' }));
add('lone surrogates in upper case', event({ s: '\udbff\udc00\udfff' }), { encode: upperHex });
add('lone surrogate as a name', event({ '\ud800': 1 }));
add('escaped backslash before u', event({ s: '\\u0041 \\\\u0041' }));
add('indented', event({ list: [[], {}, [1, [2]], { a: {} }] }), { indent: 2 });
add('tabs between tokens', event({ list: [[], {}] }), { indent: '\t' });
add('numbers as JavaScript prints them', event({ n: [0, -1, 1.5, 1e21, 1e-7, 123456789012345680000, 5e-324, 1.7976931348623157e308, 0.1] }));
add('names that look like indexes', event({ 10: 'b', 9: 'a', x: 1, 2: 'c' }));
add('empty name, odd names', event({ '': 1, ' ': 2, __proto: 3, 'a.b': 4, headers: { 'X-Port-Signature': 'inner' } }));
add('headers first', event({ a: 1 }), { first: true });
add('headers first, with others', event({ a: 1 }), { first: true, headers: { 'X-Other': 'kept', 'x-port-signature': 'kept' } });
add('other headers, written with escapes', event({ a: 1 }), { headers: { 'X-Other': 'kept' }, encode: everyEscape });
add('timestamp as a string', event({ a: 1 }), { numericTimestamp: false });
add('gitlab', event({ a: 1 }, 'GITLAB'));
add('gitlab, headers first', event({ a: 1 }, 'GITLAB'), { first: true });
add('gitlab, other headers, indented', event({ a: 1 }, 'GITLAB'), { headers: { 'X-Other': 'dropped' }, indent: 1 });
add('gitlab, written with escapes', event({ a: 1 }, 'GITLAB'), { encode: everyEscape });
add('gitlab in lower case is no gitlab', event({ a: 1 }, 'gitlab'));
add('no payload', { context: { runId: 'r_1' } });
add('payload of other types', { payload: [{ action: null }], context: 'none' });

process.stdout.write(JSON.stringify({ secret, cases }, null, 1) + '\n');
