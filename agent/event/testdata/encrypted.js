// Makes encrypted.json: fields encrypted by Node's own crypto, with fixed
// nonces so that the file stays the same. Run: node encrypted.js > encrypted.json
const crypto = require('node:crypto');

const secret = 'node-made-client-secret-0123456789abcdef';

function encrypt(plain, { key = secret, nonce = crypto.createHash('md5').update(plain).digest(), cut = 0, flip = -1 } = {}) {
  const cipher = crypto.createCipheriv('aes-256-gcm', Buffer.from(key).subarray(0, 32), nonce);
  const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  if (flip >= 0) sealed[flip] ^= 1;
  return sealed.subarray(0, sealed.length - cut).toString('base64');
}

const good = ['hunter2', '', ' ', 'Zürich – 東京 🚀', '{"user":"u","keys":["k1","k2"]}', 'a'.repeat(1000), 'two\nlines']
  .map((plain) => ({ plain, encrypted: encrypt(plain) }));
const text = 'a text of some length';
const bad = [
  { name: 'empty', encrypted: '', why: 'too short' },
  { name: 'not base64', encrypted: '!' + encrypt(text), why: 'not base64' },
  { name: 'base64 cut', encrypted: encrypt(text).slice(0, -3), why: 'not base64' },
  { name: 'shorter than nonce and tag', encrypted: Buffer.alloc(31).toString('base64'), why: 'too short' },
  { name: 'zeros', encrypted: Buffer.alloc(32).toString('base64'), why: 'altered' },
  { name: 'another key', encrypted: encrypt(text, { key: 'x' + secret }), why: 'altered' },
  { name: 'nonce altered', encrypted: encrypt(text, { flip: 0 }), why: 'altered' },
  { name: 'text altered', encrypted: encrypt(text, { flip: 20 }), why: 'altered' },
  { name: 'tag altered', encrypted: encrypt(text, { flip: 16 + text.length }), why: 'altered' },
  { name: 'tag cut', encrypted: encrypt(text, { cut: 3 }), why: 'altered' },
  { name: 'not UTF-8', encrypted: encrypt(Buffer.from([0xff, 0xfe])), why: 'not text' },
];

process.stdout.write(JSON.stringify({ secret, good, bad }, null, 1) + '\n');
