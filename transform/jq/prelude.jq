# Definitions in front of every query that uses them; they win over gojq's own.
# A name with an underscore is hidden from expressions. One that is defined as
# gojq's own, such as _tonumber, is how the definitions below it reach that.
# The functions that are defined nowhere here are Go's: see guards.

# What jq 1.5 has, or does otherwise.

def env: $ENV;
def debug: .;
def debug(f): .;
def stderr: .;
def input: error("there is no further input");
def inputs: empty;
def input_filename: null;
def input_line_number: 0;
def recurse_down: recurse;
def pow10: exp10;
def dateadd(u; n): . + n;
def datesub(u; n): . - n;
def ascii: [.] | implode;
def _ltrimstr($x): ltrimstr($x);
def ltrimstr($x): _ltrimstr($x)? // .;
def _rtrimstr($x): rtrimstr($x);
def rtrimstr($x): _rtrimstr($x)? // .;

# What later versions of jq have.

def toarray: if type == "array" then . else [.] end;
def isvalid(f): try (f | true) catch false;
def have_literal_numbers: true;
def have_decnum: false;

# What an event could hurt the agent through.

# The operators + - * / of what _sides returns, and of += -= *= /=.

def _sum: .[0] + .[1];
def _difference: (.[1] as $r | .[0] | _compared($r) - $r);
def _times($s; $n): if ($s | type) == "string" and ($n | type) == "number" then ($s | utf8bytelength) * $n else 0 end;
def _product: _sized | _count(_times(.[0]; .[1]) + _times(.[1]; .[0])) | .[0] * .[1];
def _quotient: .[1] as $r | .[0] | _parts($r) / $r;
def _add($l; $r): _sides($l; $r) | _sum;
def _subtract($l; $r): [$l, $r] | _difference;
def _multiply($l; $r): [$l, $r] | _product;
def _divide($l; $r): [$l, $r] | _quotient;
def _add_up: add;
def add: _sized | _add_up;
def add(f): [f] | add;
def _tostring: tostring;
def _join($s): join($s);
def join($s): _sized | _count(length * ($s | _tostring | utf8bytelength)) | _join($s);
def _split($s): split($s);
def split($s): _parts($s) | _split($s);
def _contains($x): contains($x);
def contains($x): _compared($x) | _contains($x);
def inside($x): . as $v | $x | contains($v);
def _places: if type == "string" then utf8bytelength elif type == "array" then length else 1 end;
def _sought($x): _places as $n | _work($n * (1 + ($x | _places)) / 128) | _count(24 * $n);
def _indices($x): indices($x);
def indices($x): _sought($x) | _indices($x);
def _index($x): index($x);
def index($x): _sought($x) | _index($x);
def _rindex($x): rindex($x);
def rindex($x): _sought($x) | _rindex($x);
def _tonumber: tonumber;
def tonumber:
  if type == "string" and utf8bytelength > 1000 then error("tonumber takes at most 1000 bytes") else . end | _tonumber;
def _fromjson: fromjson;
def fromjson:
  if type == "string" then _count(8 * utf8bytelength) | _parts("{") | _parts("{") else ("fromjson cannot be applied to: " + type | _refuse) end
  | (try _fromjson catch ("fromjson cannot be applied to: this text is not JSON" | _refuse)) | _settled;
def tostring: _sized | _tostring;
def _html: _tohtml;
def _tohtml: _sized | _html;
def _uri: _touri;
def _touri: _sized | _uri | _marks;
def _urid: _tourid;
def _tourid: _sized | _urid;
def _csv: _tocsv;
def _tocsv: _sized | _csv;
def _tsv: _totsv;
def _totsv: _sized | _tsv;
def _sh: _tosh;
def _tosh: _sized | _sh;
def _base64: _tobase64;
def _tobase64: _sized | _base64;
def _base64d: _tobase64d;
def _tobase64d: _sized | _base64d;
def _format($f): format($f);
def format($f): if $f == "uri" then _touri else _sized | _format($f) end;
def _tojson: tojson;
def tojson: _sized | _tojson;
def _ascii_downcase: ascii_downcase;
def ascii_downcase: _copied | _ascii_downcase;
def _ascii_upcase: ascii_upcase;
def ascii_upcase: _copied | _ascii_upcase;
def _implode: implode;
def implode: _copied | _implode;
def _keys: keys;
def keys: _copied | _keys;
def keys_unsorted: keys;
def _reverse: reverse;
def reverse: _copied | _reverse;
def _sort: sort;
def sort: _sized | _sort;
def _unique: unique;
def unique: _sized | _unique;
def _flatten: flatten;
def flatten: _sized | _flatten;
def _flatten($n): flatten($n);
def flatten($n): _sized | _flatten($n);
def _explode: explode;
def explode: _count(24 * utf8bytelength) | _explode;
def _transpose: transpose;
def transpose: _count((16 * length + 48) * (map(length) | max // 0)) | _transpose;
def paths: path(..) | _count(16 * length) | select(. != []);
def paths(f): path(.. | select(f)) | _count(16 * length) | select(. != []);
def leaf_paths: paths(scalars);
def tostream:
  path(def r: (.[]? | r), .; r) as $p | getpath($p | _count(16 * length))
  | reduce path(.[]?) as $q ([$p, .]; [$p + $q]);
def _key:
  if type == "array" and length > 50 then error("a list of more than 50 values is used as an index") else . end;
def _place:
  if type == "array" and any(.[]; type == "number" and . > 100000) then error("an index is too large: at most 100000 can be set") else . end;
def _setpath($p; $v): setpath($p; $v);
def setpath($p; $v): _setpath($p | _place; $v);
def _at(f): path(f) as $p | getpath($p | _place);
def pick(f): . as $v | reduce path(f) as $p (null; setpath($p; $v | getpath($p)));
def fromstream(f):
  foreach f as $x (null;
    if .e then null end
    | if $x | length == 2 then setpath(["v"] + $x[0]; $x[1]) | setpath(["e"]; $x[0] | length == 0)
      else setpath(["e"]; $x[0] | length == 1) end;
    if .e then .v else empty end);

def match($re; $flags): _matches($re; $flags)[];
def match($re): if $re | type == "array" then match($re[0]; $re[1]) else match($re; null) end;
def test($re; $flags): _test($re; $flags);
def test($re): if $re | type == "array" then test($re[0]; $re[1]) else test($re; null) end;
def capture($re; $flags): match($re; $flags) | .captures | _captures;
def capture($re): if $re | type == "array" then capture($re[0]; $re[1]) else capture($re; null) end;
def scan($re; $flags): match($re; $flags + "g") | if .captures == [] then .string else [.captures[].string] end;
def scan($re): scan($re; null);
def split($re; $flags): _splits($re; $flags + "g");
def splits($re; $flags): split($re; $flags)[];
def splits($re): splits($re; null);
# Where a match has several replacements, the first of each make one text, the
# second another, and so on.
def sub($re; str; $flags):
  [_matches($re; $flags)[] | [.captures | _captures | str + ""]] as $r
  | _splits($re; $flags) as $s
  | (range($r | map(length) | max // 0) as $i
    | [range($r | length) as $j | select($r[$j] | has($i)) | $s[$j], $r[$j][$i]] + $s[-1:] | join("")) // .;
def _sub($re; $text): _splits($re; null) | join($text);
def _gsub($re; $text): _splits($re; "g") | join($text);
def sub($re; str): sub($re; str; null);
def gsub($re; str; $flags): sub($re; str; $flags + "g");
def gsub($re; str): sub($re; str; "g");

def _short:
  if type == "string" and utf8bytelength > 512 then error("the format of a time is longer than 512 bytes") else . end;
def _strftime($f): strftime($f);
def strftime($f): _strftime($f | _short);
def _strflocaltime($f): strflocaltime($f);
def strflocaltime($f): _strflocaltime($f | _short);
def _strptime($f): strptime($f);
def strptime($f):
  . as $v
  | try _strptime($f | _short) catch (
      if $f | type != "string" or utf8bytelength > 512 then "strptime needs a format, which is text of at most 512 bytes"
      elif $v | type != "string" then "strptime reads text, not: \($v | type)"
      else "strptime cannot read the text as \($f | tojson)"
        + ($v | if test(":[0-9][0-9]\\.[0-9]") then ", because it has a fraction of a second; take that out before: sub(\"\\\\.[0-9]+\"; \"\")" else "" end) end
      | _refuse);
def fromdateiso8601: strptime("%Y-%m-%dT%H:%M:%S%z") | mktime;
def fromdate: fromdateiso8601;
def todateiso8601: strftime("%Y-%m-%dT%H:%M:%SZ");
def todate: todateiso8601;
def date: todate;

def from_entries:
  map({(.key // .k // .name // .Name // .K // .Key | if type == "string" then . else tojson end):
    (if has("value") then .value elif has("v") then .v else .Value end)})
  | add // {};
def with_entries(f): to_entries | map(f) | from_entries;
