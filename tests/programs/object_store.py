"""An object store on this machine that speaks Google Cloud Storage's JSON API.

Holds its objects in memory; does what gcsfs and tensorstore ask of a bucket:
read, write (simple, multipart, resumable), list, stat, copy, delete, in batches
too, with generations and their preconditions.
https://cloud.google.com/storage/docs/json_api/v1
"""

import contextlib
import email
import http.server
import itertools
import json
import re
import sys
import threading
import urllib.parse

OBJECT = re.compile(r"/b/([^/]+)/o/([^/?]+)$")
LISTING = re.compile(r"/b/([^/]+)/o/?$")
COPY = re.compile(
  r"/b/([^/]+)/o/([^/]+)/(?:rewriteTo|copyTo)/b/([^/]+)/o/(.+)$"
)


class ObjectStore:
  """The objects: (bucket, name) -> (bytes, generation)."""

  def __init__(self):
    self.objects = {}
    self.uploads = {}
    self._numbers = itertools.count(1_700_000_000_000_001)
    self._lock = threading.Lock()

  def put(self, key, data, query):
    """Writes an object; None if a precondition on its generation fails."""
    with self._lock:
      wanted = query.get("ifGenerationMatch")
      now = self.objects[key][1] if key in self.objects else 0
      if wanted is not None and int(wanted) != now:
        return None
      self.objects[key] = (data, next(self._numbers))
    return self.about(key)

  def about(self, key):
    """Returns an object's metadata."""
    data, generation = self.objects[key]
    return {
      "kind": "storage#object",
      "bucket": key[0],
      "name": key[1],
      "id": f"{key[0]}/{key[1]}/{generation}",
      "size": str(len(data)),
      "generation": str(generation),
      "metageneration": "1",
      "timeCreated": "2026-01-01T00:00:00.000Z",
      "updated": "2026-01-01T00:00:00.000Z",
    }

  def list(self, bucket, query):
    """Returns the objects and folders below a prefix."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
    items, folders = [], set()
    for key in sorted(self.objects):
      if key[0] != bucket or not key[1].startswith(prefix):
        continue
      rest = key[1][len(prefix) :]
      if delimiter and delimiter in rest:
        folders.add(prefix + rest.split(delimiter)[0] + delimiter)
      else:
        items.append(self.about(key))
    found = {"kind": "storage#objects", "items": items}
    return found | ({"prefixes": sorted(folders)} if folders else {})

  def handle(self, method, path, headers, body):
    """Returns (status, headers, body) of a request."""
    url = urllib.parse.urlsplit(path)
    query = dict(urllib.parse.parse_qsl(url.query))
    if url.path.startswith("/batch/"):
      return self._batch(headers, body)
    if url.path.startswith("/upload/") or "upload_id" in query:
      return self._upload(url.path, query, headers, body)
    unquote = urllib.parse.unquote
    if method == "POST" and (match := COPY.search(url.path)):
      source, target = (
        (match[1], unquote(match[2])),
        (match[3], unquote(match[4])),
      )
      if source not in self.objects:
        return _json(404, {"error": {"code": 404, "message": "No such object"}})
      about = self.put(target, self.objects[source][0], {})
      return _json(200, {"done": True, "resource": about})
    if match := OBJECT.search(url.path):
      return self._object(method, (match[1], unquote(match[2])), query, headers)
    if match := LISTING.search(url.path):
      return _json(200, self.list(match[1], query))
    return _json(
      200, {"kind": "storage#bucket", "name": url.path.split("/")[-1]}
    )

  def _object(self, method, key, query, headers):
    if key not in self.objects:
      return _json(404, {"error": {"code": 404, "message": "No such object"}})
    data, generation = self.objects[key]
    if method == "DELETE":
      del self.objects[key]
      return 204, {}, b""
    if query.get("alt") != "media":
      return _json(200, self.about(key))
    if query.get("ifGenerationNotMatch") == str(generation):
      return 304, {}, b""
    found = {"x-goog-generation": str(generation)}
    if wanted := re.match(r"bytes=(\d*)-(\d*)", headers.get("Range", "")):
      size = len(data)
      first = int(wanted[1]) if wanted[1] else size - int(wanted[2])
      last = int(wanted[2]) if wanted[1] and wanted[2] else size - 1
      last = min(last, size - 1)
      if first >= size:
        return 416, found | {"Content-Range": f"bytes */{size}"}, b""
      found["Content-Range"] = f"bytes {first}-{last}/{size}"
      return 206, found, data[first : last + 1]
    return 200, found, data

  def _upload(self, path, query, headers, body):
    if "upload_id" in query:
      key, parts = self.uploads[query["upload_id"]]
      parts.append(body)
      if re.search(r"/\*$", headers.get("Content-Range", "")):
        size = sum(map(len, parts))
        return 308, {"Range": f"bytes=0-{size - 1}"}, b""
      return self._written(key, b"".join(parts), query)
    bucket = LISTING.search(path)[1]
    kind = query["uploadType"]
    if kind == "media":
      return self._written((bucket, query["name"]), body, query)
    if kind == "multipart":
      head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
      about, data = email.message_from_bytes(head + body).get_payload()
      name = json.loads(about.get_payload())["name"]
      # The parser is for text: the bytes are cut out of the body.
      mark = headers["Content-Type"].split("boundary=")[1].strip("\"'").encode()
      part = body.split(b"--" + mark)[2]
      data = re.split(rb"\r?\n\r?\n", part, maxsplit=1)[1]
      return self._written((bucket, name), re.sub(rb"\r?\n$", b"", data), query)
    name = query.get("name") or json.loads(body)["name"]
    number = str(len(self.uploads))
    self.uploads[number] = ((bucket, name), [])
    place = f"http://{headers['Host']}{path}?uploadType=resumable"
    return 200, {"Location": f"{place}&upload_id={number}"}, b""

  def _written(self, key, data, query):
    about = self.put(key, data, query)
    if about is None:
      return _json(412, {"error": {"code": 412, "message": "conditionNotMet"}})
    return _json(200, about)

  def _batch(self, headers, body):
    mark = headers["Content-Type"].split("boundary=")[1].strip("\"'")
    answers = []
    for part in body.decode().split(f"--{mark}")[1:-1]:
      method, path = re.search(r"(DELETE|GET|POST) (\S+)", part).groups()
      path = urllib.parse.urlsplit(path)
      status, _, content = self.handle(method, path.path, {}, b"")
      answers.append(
        "Content-Type: application/http\r\n\r\n"
        f"HTTP/1.1 {status} X\r\n\r\n{content.decode()}"
      )
    text = "".join(f"--answer\r\n{a}\r\n" for a in answers) + "--answer--"
    return (
      200,
      {"Content-Type": "multipart/mixed; boundary=answer"},
      text.encode(),
    )


def _json(status, content):
  return (
    status,
    {"Content-Type": "application/json"},
    json.dumps(content).encode(),
  )


def _body(headers, file):
  """Reads a request's body, in chunks where it comes so."""
  if headers.get("Transfer-Encoding") != "chunked":
    return file.read(int(headers.get("Content-Length") or 0))
  parts = []
  while size := int(file.readline().split(b";")[0], 16):
    parts.append(file.read(size))
    file.readline()
  file.readline()
  return b"".join(parts)


@contextlib.contextmanager
def serve():
  """Serves a store while the context lasts; gives (store, address)."""
  store = ObjectStore()

  class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
      body = _body(self.headers, self.rfile)
      status, headers, content = store.handle(
        self.command, self.path, self.headers, body
      )
      self.send_response(status)
      for name, value in headers.items():
        self.send_header(name, value)
      self.send_header("Content-Length", str(len(content)))
      self.end_headers()
      self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
      pass

  class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
      if not isinstance(sys.exception(), ConnectionError):  # a client that left
        super().handle_error(*_)

  server = Server(("127.0.0.1", 0), Handler)
  thread = threading.Thread(target=server.serve_forever, daemon=True)
  thread.start()
  try:
    yield store, f"http://127.0.0.1:{server.server_port}"
  finally:
    server.shutdown()
    server.server_close()
