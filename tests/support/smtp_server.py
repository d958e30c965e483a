"""A mail server for tests: aiosmtpd with STARTTLS (or TLS from the first byte, or none) and authentication.

usage: smtp_server.py starttls|implicit|none MECHANISM DIR
Writes DIR/ca.pem, prints the port, then one JSON object a line for each mail it took."""
import asyncio, base64, datetime, email, email.policy, hashlib, hmac, ipaddress, json, ssl, sys

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

mode, mechanism, folder = sys.argv[1:]
USER, PASSWORD = "watcher", "s3cret"


def certificate():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
    )
    if mode == "starttls":
        # As `openssl req -x509` makes them: the server's own certificate calls itself an authority.
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    cert = builder.sign(key, hashes.SHA256())
    pem = cert.public_bytes(serialization.Encoding.PEM)
    open(f"{folder}/ca.pem", "wb").write(pem)
    open(f"{folder}/key.pem", "wb").write(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/ca.pem", f"{folder}/key.pem")
    return context


class Server(SMTP):
    async def auth_CRAM__MD5(self, server, args):
        challenge = b"<1896.697170952@localhost>"
        answer = await server.challenge_auth(challenge)
        want = hmac.new(PASSWORD.encode(), challenge, hashlib.md5).hexdigest()
        if answer == f"{USER} {want}".encode():
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 no such user"
        if address.startswith("later"):
            return "451 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        leaves = [p for p in message.walk() if not p.is_multipart()]
        # Whoever sends the mail reads this line after it: it must be no longer than a pipe holds.
        text = lambda content: f"{len(content)} bytes {content[:4]}" if isinstance(content, bytes) else content
        parts = {p.get_content_type(): text(p.get_content()) for p in leaves}
        ids = {p.get_content_type(): p["Content-ID"] for p in leaves if p["Content-ID"]}
        print(json.dumps({
            "from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None or mode == "implicit",
            "user": bool(session.authenticated), "headers": {k: str(v) for k, v in message.items()}, "parts": parts,
            "ids": ids,
        }), flush=True)
        return "250 taken"


def authenticate(server, session, envelope, kind, data):
    good = data.login == USER.encode() and data.password == PASSWORD.encode()
    return AuthResult(success=good, handled=False)


async def main():
    context = certificate()
    all_kinds = ["PLAIN", "LOGIN", "CRAM-MD5"]
    options = dict(
        hostname="localhost", authenticator=authenticate, auth_exclude_mechanism=[m for m in all_kinds if m != mechanism],
        auth_require_tls=mode == "starttls", tls_context=context if mode == "starttls" else None,
        require_starttls=mode == "starttls",
    )
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Server(Handler(), **options), "127.0.0.1", 0, ssl=context if mode == "implicit" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
