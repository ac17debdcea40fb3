# The functions of jq that are written in jq, each after those it calls.
# Names with an underscore in front are the package's own.

def map(f): [.[] | f];
def select(f): if f then . else empty end;
def values: select(. != null);
def nulls: select(. == null);
def booleans: select(type == "boolean");
def numbers: select(type == "number");
def strings: select(type == "string");
def arrays: select(type == "array");
def objects: select(type == "object");
def iterables: select(type | . == "array" or . == "object");
def scalars: select(type | . != "array" and . != "object");
def finites: select(isfinite);
def normals: select(isnormal);
def isvalid(f): try (f | true) catch false;
def abs: if . < 0 then -. else . end;
def toarray: if type == "array" then . else [.] end;
def add(f): [f] | add;
def in(xs): . as $x | xs | has($x);
def pow10: exp10;

def recurse(f): def r: ., (f | r); r;
def recurse(f; cond): def r: ., (f | select(cond) | r); r;
def recurse: recurse(.[]?);
def recurse_down: recurse;

def range($end): _range(0; $end; 1);
def range($start; $end): _range($start; $end; 1);
def range($start; $end; $step): _range($start; $end; $step);
def while(cond; update): def w: if cond then ., (update | w) else empty end; w;
def until(cond; next): def u: if cond then . else next | u end; u;
def repeat(f): def r: f, r; r;

def first: .[0];
def first(g): label $done | g | ., break $done;
def last: .[-1];
def last(g): reduce g as $x ([]; [$x]) | .[];
def isempty(g): label $done | (g | false, break $done), true;
def limit($n; g):
  if $n > 0 then label $done | foreach g as $x ($n; . - 1; $x, if . <= 0 then break $done else empty end)
  elif $n == 0 then empty
  else error("limit is negative") end;
def skip($n; g):
  if $n > 0 then foreach g as $x ($n; . - 1; if . < 0 then $x else empty end)
  elif $n == 0 then g
  else error("skip is negative") end;
def nth($n): .[$n];
def nth($n; g): if $n < 0 then error("nth is negative") else first(skip($n; g)) end;
def all(g; y): isempty(g | select(y | not));
def all(y): all(.[]; y);
def all: all(.);
def any(g; y): isempty(g | select(y)) | not;
def any(y): any(.[]; y);
def any: any(.);

def _modify(p; f):
  _update as $u
  | reduce path(p) as $q (null;
      label $done
      | (_root($u) | getpath($q) | _lend($u; $q) | f | _put($u; $q) | ., break $done), _drop($u; $q))
  | _done($u);
def _assign(p; $x): [path(p)] as $ps | _setall($ps; $x);
def map_values(f): .[] |= f;
def del(f): delpaths([path(f)]);
def paths: path(..) | select(. != []);
def paths(f): path(.. | select(f)) | select(. != []);
def leaf_paths: paths(scalars);
def pick(f): . as $v | reduce path(f) as $p (null; setpath($p; $v | getpath($p)));
def walk(f):
  def w: if type == "array" then map(w) elif type == "object" then map_values(w) else . end | f;
  w;

def keys_unsorted: keys;
def to_entries: [keys[] as $k | {key: $k, value: .[$k]}];
def from_entries:
  map({(.key // .k // .name // .Name // .Key // .K | if type == "string" then . else tojson end):
    (if has("value") then .value elif has("v") then .v else .Value end)})
  | add // {};
def with_entries(f): to_entries | map(f) | from_entries;

def min_by(f): _min_by(map([f]) | _tree);
def max_by(f): _max_by(map([f]) | _tree);
def sort_by(f): _sort_by(map([f]) | _tree);
def group_by(f): _group_by(map([f]) | _tree);
def unique_by(f): _unique_by(map([f]) | _tree);

def combinations:
  if length == 0 then [] else .[0][] as $x | [$x] + (.[1:] | combinations) end;
def combinations(n): [limit(n; repeat(.))] | combinations;

def tostream: path(def r: (.[]? | r), .; r) as $p | getpath($p) | reduce path(.[]?) as $q ([$p, .]; [$p + $q]);
def fromstream(f):
  foreach f as $x (null;
    if .done then null else . end
    | if $x | length == 2 then setpath(["value"] + $x[0]; $x[1]) | setpath(["done"]; $x[0] | length == 0)
      else setpath(["done"]; $x[0] | length == 1) end;
    if .done then .value else empty end);
def truncate_stream(f): . as $n | null | f | if .[0] | length > $n then .[0] |= .[$n:] else empty end;

def fromdateiso8601: strptime("%Y-%m-%dT%H:%M:%S%z") | mktime;
def todateiso8601: strftime("%Y-%m-%dT%H:%M:%SZ");
def fromdate: fromdateiso8601;
def todate: todateiso8601;
def date: todate;
def dateadd(u; n): . + n;
def datesub(u; n): . - n;

def match($re; $flags): _match($re; $flags)[];
def match($re): if $re | type == "array" then match($re[0]; $re[1]) else match($re; null) end;
def capture($re; $flags): _captures($re; $flags)[];
def capture($re): if $re | type == "array" then capture($re[0]; $re[1]) else capture($re; null) end;
def scan($re; $flags): _scan($re; $flags)[];
def scan($re): scan($re; null);
def splits($re; $flags): _splits($re; $flags)[];
def splits($re): splits($re; null);
def split($re; $flags): _splits($re; $flags);
def sub($re; str; $flags):
  _found($re; $flags) as $m
  | [_captured($m)[] | [str]] as $r
  | _replaced($m; $r)[];
def sub($re; str): sub($re; str; null);
def gsub($re; str; $flags): sub($re; str; "g" + $flags);
def gsub($re; str): sub($re; str; "g");

def format($name):
  if $name == "text" then @text elif $name == "json" then @json elif $name == "html" then @html
  elif $name == "uri" then @uri elif $name == "urid" then @urid elif $name == "csv" then @csv
  elif $name == "tsv" then @tsv elif $name == "sh" then @sh elif $name == "base64" then @base64
  elif $name == "base64d" then @base64d elif $name == "base32" then @base32 elif $name == "base32d" then @base32d
  else error("there is no format of this name") end;
def ascii: [.] | implode;
def input: error("there is no further input");
def inputs: empty;
def input_filename: null;
def input_line_number: 0;
def have_literal_numbers: true;
def have_decnum: false;

def INDEX(stream; f): [stream as $row | {($row | f | tostring): $row}] | add // {};
def INDEX(f): INDEX(.[]; f);
def JOIN($idx; f): [.[] | [., $idx[f]]];
def JOIN($idx; stream; f): stream | [., $idx[f]];
def JOIN($idx; stream; f; g): stream | [., $idx[f]] | g;
def IN(s): any(s == .; .);
def IN(src; s): any(src == s; .);
