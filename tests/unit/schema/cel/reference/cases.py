"""Makes the cases that main.go plays: `python cases.py > cases.json && go run . < cases.json > expected.json`."""

from __future__ import annotations

import json
import sys
from typing import Any

from definitions import DEFINITIONS

STRING = {"type": "string"}
INTEGER = {"type": "integer"}
PORT = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 63},
        "port": INTEGER,
        "protocol": {"type": "string", "enum": ["TCP", "UDP"]},
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["s", "i"],
    "properties": {
        "s": STRING,
        "short": {"type": "string", "maxLength": 10},
        "i": INTEGER,
        "j": INTEGER,
        "n": {"type": "number"},
        "b": {"type": "boolean"},
        "bytes": {"type": "string", "format": "byte"},
        "date": {"type": "string", "format": "date"},
        "time": {"type": "string", "format": "date-time"},
        "duration": {"type": "string", "format": "duration"},
        "ios": {"x-kubernetes-int-or-string": True},
        "nul": {"type": "string", "nullable": True},
        "list": {"type": "array", "items": STRING},
        "ints": {"type": "array", "maxItems": 20, "items": INTEGER},
        "nums": {"type": "array", "items": {"type": "number"}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
        "ports": {"type": "array", "maxItems": 8, "items": PORT},
        "keyed": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": PORT,
        },
        "map": {"type": "object", "additionalProperties": STRING},
        "deep": {"type": "object", "maxProperties": 5, "additionalProperties": {"type": "array", "items": INTEGER}},
        "namespace": STRING,
        "a-b": INTEGER,
        "x.y/z": STRING,
        "__under": STRING,
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"known": INTEGER}},
        "unknown": {"x-kubernetes-preserve-unknown-fields": True},
        "child": {"type": "object", "properties": {"name": STRING, "child": {"type": "object", "properties": {"v": INTEGER}}}},
        "embedded": {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object", "properties": {"x": INTEGER}}}},
    },
}
SELF: dict[str, Any] = {
    "s": "héllo wörld",
    "short": "abc",
    "i": 7,
    "j": -3,
    "n": 1.5,
    "b": True,
    "bytes": "aGVsbG8=",
    "date": "2024-02-29",
    "time": "2024-02-29T12:34:56.789Z",
    "duration": "1h30m",
    "ios": "50%",
    "nul": None,
    "list": ["a", "b", "c", "a"],
    "ints": [3, 1, 2],
    "nums": [1.5, 2, -0.25],
    "set": ["x", "y"],
    "ports": [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53}, {"name": "none"}],
    "keyed": [{"name": "a", "port": 1}, {"name": "b", "port": 2}],
    "map": {"k": "v", "other": "w"},
    "deep": {"one": [1], "two": [1, 2]},
    "namespace": "default",
    "a-b": 4,
    "x.y/z": "slash",
    "__under": "u",
    "free": {"known": 1, "more": 2},
    "unknown": {"any": "thing"},
    "child": {"name": "c", "child": {"v": 1}},
    "embedded": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b"}}, "spec": {"x": 1}},
}
OTHER: dict[str, Any] = {
    **{key: SELF[key] for key in ("s", "i", "n", "map", "unknown", "nul")},
    "ios": 5,
    "list": [],
    "set": ["y", "x"],
    "keyed": [{"name": "b", "port": 2}, {"name": "a", "port": 1}],
    "ports": [],
    "child": {},
}

EXPRESSIONS = """
true
1
-9223372036854775808
9223372036854775807
9223372036854775808
18446744073709551615u
18446744073709551616u
0x1F
0x1Fu
1.5e3
.5
1e400
'a\\\\n\\\\u00e9\\\\x41'
r'\\\\d'
b'abc\\\\xff'
'''it's'''
\"\"\"two
lines\"\"\"
null
self.i + 1
self.i + 9223372036854775807
self.j - 9223372036854775807 - 5
self.i * 9223372036854775807
-self.j
-(-9223372036854775808)
self.i / 0
self.i % 0
self.j / 2
self.j % 2
-7 / 2
-7 % 3
(-9223372036854775808) / -1
1u + 2u
1u - 2u
5u / 2u
5u % 0u
1.0 / 0.0
-1.0 / 0.0
0.0 / 0.0
self.n * 2.0
self.n + 1
self.i + self.n
1 + 1u
self.i == 7
self.i == 7.0
self.i == 7u
self.i < 8u
self.i < 7.5
7u < 8
self.n > 1
self.n >= 1.5
1 == 1.0
dyn(1) == dyn('1')
dyn(1) < dyn('1')
dyn(1) + dyn(2)
dyn('a') + dyn('b')
dyn('a') + dyn(1)
dyn(self.i) == 7.0
self.s == 'héllo wörld'
self.s != self.short
self.s < 'z'
self.s + self.short
self.s + '!'
b'a' + b'b' == b'ab'
b'a' < b'b'
true < false
self.b && self.i == 7
self.b || self.i / 0 == 1
self.i / 0 == 1 || self.b
self.i / 0 == 1 && false
self.i / 0 == 1 && true
true && self.i / 0 == 1
self.i / 0 == 1 || false
self.i / 0 == 1 || self.j / 0 == 1
!self.b
self.b ? 1 : 2
self.b ? self.i : self.j
(self.b ? self.child : self.child).name
self.b ? 'a' : 1
self.i
self.missing
self.i.foo
self.s.foo
self.list.foo
self.ints[0]
self.ints[3]
self.ints[-1]
self.ints[self.i - 6]
self.ints[0.0]
self.ints[dyn(0.5)]
self.ints['a']
self.ints[dyn('a')]
self.map['k']
self.map['none']
self.map.k
self.map.none
self.map[dyn(1)]
self.deep['two'][1]
self.deep.one
self.child.child.v
self.child.child.none
has(self.s)
has(self.nul)
has(self.child.child)
has(self.child.child.v)
has(self.map.k)
has(self.map.none)
has(self.ports[0].port)
has(self.ports[2].port)
has(self.missing)
has(self)
has(self.s, self.i)
self.nul == null
self.nul
self.namespace
self.__namespace__
self.a__dash__b
self.x__dot__y__slash__z
self.__underscores__under
self.__under
self.free.known
self.free.more
self.unknown
self.unknown == oldSelf.unknown
self.free == oldSelf.free
self.embedded.metadata.name
self.embedded.metadata.labels
self.embedded.kind
self.embedded.spec.x
size(self.s)
self.s.size()
size(self.list)
self.list.size() > 2
self.map.size()
size(self.bytes)
self.bytes
self.bytes == b'hello'
string(self.bytes)
self.date
self.time
self.duration
self.date == timestamp('2024-02-29T00:00:00Z')
self.time > self.date
self.time - self.date
self.time + self.duration
self.duration + self.duration
self.duration - duration('30m')
self.duration > duration('1h')
self.time.getFullYear()
self.time.getMonth()
self.time.getDayOfYear()
self.time.getDayOfMonth()
self.time.getDate()
self.time.getDayOfWeek()
self.time.getHours()
self.time.getHours('America/New_York')
self.time.getHours('+02:30')
self.time.getHours('nowhere')
self.time.getMinutes()
self.time.getSeconds()
self.time.getMilliseconds()
self.duration.getHours()
self.duration.getMinutes()
self.duration.getSeconds()
self.duration.getMilliseconds()
timestamp('9999-12-31T23:59:59Z') + duration('1s')
timestamp('0001-01-01T00:00:00Z') - duration('1s')
timestamp('nope')
timestamp(self.s)
timestamp(1700000000)
duration('nope')
duration(self.s)
duration('1.5h')
duration('-2m3.5s')
duration('1d')
duration('200000h') + duration('2500000h')
int('12')
int('x')
int(self.s)
int('0x10')
int(1.9)
int(-1.9)
int(1e30)
int(self.n * 1e30)
int(5u)
int(timestamp(5))
int(duration('5s'))
int(true)
uint(5)
uint(-5)
uint(self.j)
uint('7')
uint('-7')
uint(self.short)
double('1.5')
double('x')
double(self.short)
double(self.i)
double('NaN')
double('1e400')
double('inf')
string(1)
string(1.0)
string(1e21)
string(1e-7)
string(123456789.125)
string(true)
string(self.time)
string(self.duration)
string(duration('-1.5s'))
string(b'\\\\xff')
string(1u)
bool('true')
bool('TRUE')
bool('yes')
bool(self.short)
bytes('é')
bytes(self.s).size()
dyn(self.s)
dyn(self).s
dyn(self).none
dyn(self)['s']
dyn(self.list)[0]
dyn(self.list).all(x, x != '')
dyn(self.map).all(k, k != '')
dyn(self).all(k, k != '')
dyn(self.i).all(k, k != '')
dyn(self.i).foo
type(1)
type(self.s) == string
type(self.ios) == string
type(self.list) == list
type(self.map) == map
type(self.time)
type(self.child)
type(null) == null_type
type(type(1))
type(self.ios)
type(optional.of(1))
self.ios == '50%'
self.ios == 5
type(self.ios) == string ? self.ios.endsWith('%') : self.ios > 1
self.ios + 1
self.ios < 6
self.ios.size()
self.ios == null
int(self.ios)
string(self.ios)
self.s.startsWith('hé')
self.s.endsWith('ld')
self.s.contains('wör')
self.s.contains('')
self.s.matches('^h.*d$')
self.s.matches('[')
self.s.matches(self.short)
matches(self.s, 'w')
self.short.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')
self.s.matches('(?i)HÉLLO')
self.s.matches('\\\\pL+')
self.s.find('l+')
self.s.find('[')
self.s.find(self.short)
self.s.findAll('l')
self.s.findAll('l', 2)
self.s.findAll('l', 0)
self.s.findAll('(')
self.s.charAt(1)
self.s.charAt(11)
self.s.charAt(12)
self.s.indexOf('l')
self.s.indexOf('l', 4)
self.s.indexOf('')
self.s.indexOf('', 40)
self.s.indexOf('l', -1)
self.s.indexOf('zzz')
self.s.lastIndexOf('l')
self.s.lastIndexOf('l', 3)
self.s.lastIndexOf('', 3)
self.s.lastIndexOf('l', 40)
self.s.lastIndexOf('l', -1)
self.s.lowerAscii()
self.s.upperAscii()
self.s.replace('l', 'LL')
self.s.replace('l', 'L', 1)
self.s.replace('', '-')
self.s.replace('', '-', 2)
self.s.replace('l', '', -1)
self.s.split('l')
self.s.split('l', 2)
self.s.split('l', 0)
self.s.split('')
self.s.split('', 3)
self.s.split('zz')
self.s.substring(3)
self.s.substring(3, 5)
self.s.substring(5, 3)
self.s.substring(-1)
self.s.substring(0, 99)
'  a b \\\\t'.trim()
self.list.join()
self.list.join(', ')
self.ints.join()
strings.quote(self.s)
strings.quote('a\"b\\\\n')
self.s.reverse()
'%s is %d'.format([self.s, self.i])
'%s'.format([self.list])
'%s'.format([self.map])
'%s'.format([[1, 'a', 2.5, true, null, b'x', duration('1s'), timestamp(0)]])
'%d'.format(['a'])
'%d'.format([self.s])
'%d'.format([dyn(self.s)])
'%f'.format([self.n])
'%.2f'.format([self.n])
'%f'.format([1234567.891])
'%e'.format([1234567.891])
'%.3e'.format([self.n])
'%x'.format([255])
'%X'.format([255])
'%x'.format(['hello'])
'%x'.format([b'hello'])
'%X'.format([-255])
'%o'.format([8])
'%b'.format([5])
'%b'.format([true])
'%b'.format([-5])
'%s'.format([])
'%s'.format([1, 2])
'%'.format([1])
'%%'.format([])
'%q'.format([1])
'%.f'.format([1.0])
'%.'.format([1.0])
'%s'.format([self])
'%s'.format([type(1)])
'%s'.format([quantity('1')])
'%s'.format([dyn(quantity('1'))])
'%s %s'.format([self.n, 1e21])
self.s.format([1])
'%s'.format([1.0 / 0.0])
'%s'.format([[1.0 / 0.0]])
'%f'.format([1.0 / 0.0])
'%d'.format([5u])
'%s'.format([{'b': 1, 'a': [2.0]}])
self.list == ['a', 'b', 'c', 'a']
self.list == [1]
self.list + ['d']
self.list + self.set
self.set + self.list
self.set + self.set
self.set == oldSelf.set
self.list == oldSelf.list
self.keyed == oldSelf.keyed
self.keyed + oldSelf.keyed
self.keyed + [{'name': 'a'}]
self.ports == oldSelf.ports
self.map == oldSelf.map
self.map == {'k': 'v', 'other': 'w'}
self.child == oldSelf.child
self == oldSelf
self == self
self.child == {'name': 'c'}
self.set == ['y', 'x']
['y', 'x'] == self.set
self.set != ['x', 'y', 'z']
self.ports[0] == self.ports[0]
self.ports[0] in self.ports
'a' in self.list
'z' in self.list
'k' in self.map
1 in self.map
self.short in ['abc', 'def']
self.short in []
self.i in [1, 7]
self.i in [1.0, 7.0]
self.short in self.list
self.ios in ['50%', 5]
dyn(self.i) in [7u]
self.s in dyn(self.list)
self.i in {7: 'x'}
[1, 2, 3]
[1, 'a']
[1, dyn('a')]
[self.i, self.j]
[]
[[1], []]
{'a': 1}
{'a': 1, 'b': 'c'}
{1: 'a', 'b': 'c'}
{self.s: self.i}
{'a': 1, 'a': 2}
{}
{}.size()
{'a': {}}
{1.5: 'a'}
{null: 1}
[1, 2, 3].all(x, x > 0)
self.ints.all(x, x > 0)
self.ints.all(x, x > 1)
self.ints.exists(x, x == 2)
self.ints.exists(x, x == 9)
self.ints.exists_one(x, x > 2)
self.ints.exists_one(x, x > 1)
self.ints.map(x, x * 2)
self.ints.map(x, x > 1, x * 2)
self.ints.filter(x, x > 1)
self.ints.map(x, 1)
self.ints.map(x, [x])
self.ints.all(x, x / 0 == 1)
self.ints.all(x, x / (x - 1) > 0)
self.ints.all(x, x / (x - 1) < 0)
self.ints.exists(x, x / (x - 1) > 1)
self.ints.exists(x, x / (x - 1) > 100)
self.ints.map(x, 10 / (x - 1))
self.ints.filter(x, 10 / (x - 1) > 1)
self.ints.exists_one(x, 10 / (x - 1) > 1)
self.ints.all(x, 'a')
self.ints.all(x.y, true)
self.ints.all(x)
self.ints.map(x, y)
self.map.all(k, k.size() > 0)
self.map.exists(k, self.map[k] == 'none')
self.map.filter(k, k == 'k')
self.ports.all(p, has(p.port) || p.name == 'none')
self.ports.exists(p, p.protocol == 'TCP')
self.ports.exists(p, has(p.protocol) && p.protocol == 'TCP')
self.ports.all(p1, self.ports.exists_one(p2, p1.name == p2.name))
self.ports.map(p, p.name)
self.ports.filter(p, has(p.port) && p.port > 60)
self.ports.filter(p, has(p.port)).map(p, p.port)
self.ports.map(p, p.name).all(n, n.size() < 10)
self.ports.all(p, self.list.all(l, l != p.name))
self.deep.all(k, self.deep[k].all(v, v > 0))
self.s.all(c, true)
self.i.all(c, true)
self.list.all(i, v, v != '')
self.list.exists(i, v, i == 1 && v == 'b')
self.list.existsOne(i, v, v == 'a')
self.map.all(k, v, k != v)
self.map.exists(k, v, v == 'none')
self.list.transformList(i, v, string(i) + v)
self.list.transformList(i, v, i > 1, v)
self.map.transformMap(k, v, k + v)
self.map.transformMap(k, v, v == 'w', k)
self.map.transformMapEntry(k, v, {v: k})
self.list.transformMapEntry(i, v, {v: i})
self.map.transformList(k, v, k).size()
self.list.all(i, i, true)
self.list.all(1, v, true)
[1, 2].all(__result__, true)
optional.of(1)
optional.none()
optional.of(1).value()
optional.none().value()
optional.of(1).hasValue()
optional.of(1).orValue(2)
optional.none().orValue(2)
optional.none().or(optional.of(3))
optional.of(1).or(optional.of(3))
optional.ofNonZeroValue('')
optional.ofNonZeroValue('a')
optional.ofNonZeroValue([])
optional.ofNonZeroValue(0)
self.?s
self.?nul
self.?child.child.v
self.?child.?child.v.orValue(5)
oldSelf.?child.child.v.orValue(5)
self.child.?name.orValue('none')
self.?missing
self.map[?'k']
self.map[?'none'].orValue('d')
self.ints[?0]
self.ints[?9].hasValue()
self.?map.k
self.?map['k']
self.?s.optMap(x, x + '!')
self.?nul.optMap(x, x + '!')
self.?child.optFlatMap(c, c.?name)
optional.of('a').optMap(x, x.size())
[?self.?s, ?self.?nul]
{?'a': self.?s, ?'b': self.?nul}
optional.of(1) == optional.of(1)
optional.of(1) == optional.none()
has(self.?child.name)
optional.unwrap([optional.of(1), optional.none()])
[optional.of(1), optional.none()].unwrapOpt()
[?1]
[1, 2].isSorted()
self.ints.isSorted()
self.list.isSorted()
self.ints.sum()
self.nums.sum()
[duration('1s'), duration('2s')].sum()
[].sum()
self.list.sum()
self.ints.max()
self.ints.min()
self.list.max()
self.nums.min()
[].max()
oldSelf.list.max()
self.list.indexOf('a')
self.list.lastIndexOf('a')
self.list.indexOf('z')
self.list.indexOf(1)
self.list.distinct()
[1, 1.0, 1u, '1'].distinct()
[1, 1, 2].distinct()
self.list.reverse()
self.list.slice(1, 3)
self.list.slice(3, 1)
self.list.slice(-1, 1)
self.list.slice(0, 9)
[[1], [2, [3]]].flatten()
[[1, 2], [3]].flatten()
[[1], [[2], [[3]]]].flatten(2)
[[1]].flatten(-1)
lists.range(4)
lists.range(-1)
lists.range(0)
[3, 1, 2].sort()
self.list.sort()
self.ports.sortBy(p, p.name).map(p, p.name)
self.ports.sortBy(p, p.name)[0].name
self.ints.first()
self.ints.last()
[].first().hasValue()
self.ints.first().orValue(0)
self.ints.includes(1)
sets.contains([1, 2], [1])
sets.contains(self.list, ['a', 'z'])
sets.equivalent(self.list, ['a', 'b', 'c'])
sets.intersects(self.list, self.set)
sets.intersects([1.0], [1])
quantity('1Gi')
quantity('1Gi').asInteger()
quantity('1.5').asInteger()
quantity('1.5').asApproximateFloat()
quantity('200M').isGreaterThan(quantity('0.1G'))
quantity('200M').isLessThan(quantity('0.1G'))
quantity('200M').compareTo(quantity('0.2G'))
quantity('50k') == quantity('50000')
quantity('50k').add(quantity('20k')) == quantity('70k')
quantity('50k').add(20) == quantity('50020')
quantity('50k').sub(quantity('20k')).asInteger()
quantity('50k').sub(1).asInteger()
quantity('50k').isInteger()
quantity('99999999999999999999').isInteger()
sign(quantity('-1'))
quantity('abc')
quantity('')
quantity('1 ')
quantity('1mm')
quantity('1.1.1')
quantity('1e3').asInteger()
quantity('1E').asInteger()
quantity('+5')
quantity('-.5').asApproximateFloat()
quantity('5.')
quantity('1Ki1')
isQuantity('1Gi')
isQuantity('x')
quantity(self.s)
isQuantity(self.s)
ip('192.168.0.1')
ip('192.168.0.1').family()
ip('::1').family()
ip('::1').isLoopback()
ip('127.0.0.1').isLoopback()
ip('0.0.0.0').isUnspecified()
ip('224.0.0.1').isLinkLocalMulticast()
ip('ff02::1').isLinkLocalMulticast()
ip('169.254.1.1').isLinkLocalUnicast()
ip('fe80::1').isLinkLocalUnicast()
ip('8.8.8.8').isGlobalUnicast()
ip('192.168.0.1').isGlobalUnicast()
ip('255.255.255.255').isGlobalUnicast()
string(ip('2001:DB8:0:0::1'))
ip.isCanonical('2001:DB8::1')
ip.isCanonical('2001:db8::1')
ip.isCanonical('x')
ip('192.168.0.256')
ip('192.168.0')
ip('192.168.0.1.1')
ip('192.168.00.1')
ip('x')
ip('')
ip('::1%eth0')
ip('::ffff:1.2.3.4')
ip('1::2::3')
ip('12345::')
ip('1:2')
ip('1.2.3.x')
isIP('1.2.3.4')
isIP('::')
isIP('x')
ip('1.2.3.4') == ip('1.2.3.4')
ip(self.s)
cidr('192.168.0.0/24')
cidr('192.168.0.0/24').containsIP('192.168.0.1')
cidr('192.168.0.0/24').containsIP(ip('192.168.1.1'))
cidr('192.168.0.0/24').containsIP('x')
cidr('192.168.0.0/24').containsCIDR('192.168.0.0/25')
cidr('192.168.0.0/24').containsCIDR(cidr('192.168.0.0/23'))
cidr('192.168.0.0/24').containsCIDR('::/0')
cidr('192.168.0.1/24').ip()
string(cidr('192.168.0.1/24').ip())
cidr('192.168.0.1/24').masked() == cidr('192.168.0.0/24')
cidr('192.168.0.1/24').prefixLength()
string(cidr('2001:db8::/32'))
cidr('192.168.0.0/33')
cidr('192.168.0.0')
cidr('x/8')
cidr('1.2.3.4/08')
cidr('::ffff:1.2.3.4/100')
isCIDR('10.0.0.0/8')
isCIDR('10.0.0.0')
url('https://user@example.com:8080/a b/c%20d?x=1&y=2&x=3#frag')
url('https://example.com:80/path?x=1&y=2&x=3').getQuery()
url('https://example.com:80/path').getScheme()
url('https://example.com:80/path').getHost()
url('https://example.com:80/path').getHostname()
url('https://[::1]:80/path').getHostname()
url('https://[::1]:80/path').getPort()
url('https://example.com/path').getPort()
url('https://example.com/a%20b').getEscapedPath()
url('https://example.com/a b').getEscapedPath()
url('/absolute').getHost()
url('/absolute') == url('/absolute')
url('relative')
url('')
url(':foo')
url('https://a b.com/')
url('https://example.com:port/')
url('https://example.com/%zz')
url('mailto:a@b')
isURL('https://example.com')
isURL('x')
isURL(self.s)
format.dns1123Label().validate('my-name')
format.dns1123Label().validate('My.Name')
format.dns1123Label().validate('My Name')
format.dns1123Subdomain().validate('a.b.c')
format.dns1123Subdomain().validate('A_b')
format.dns1035Label().validate('1abc')
format.dns1123LabelPrefix().validate('abc-')
format.dns1035LabelPrefix().validate('abc-')
format.dns1123SubdomainPrefix().validate('abc-')
format.qualifiedName().validate('a/b/c')
format.qualifiedName().validate('example.com/name')
format.labelValue().validate('-x')
format.uri().validate('relative')
format.uri().validate('http://a')
format.uuid().validate('x')
format.byte().validate('aGVsbG8=')
format.byte().validate('x')
format.date().validate('2024-01-01')
format.date().validate('x')
format.datetime().validate('2024-01-01T00:00:00Z')
format.datetime().validate('x')
format.named('dns1123Label')
format.named('nope')
format.named('dns1123Label').value().validate('X').hasValue()
format.dns1123Label() == format.dns1123Label()
format.dns1123Label().validate(self.s).hasValue()
semver('1.2.3')
semver('1.2.3').major()
semver('1.2.3-alpha.1+b').patch()
semver('1.2')
semver('v1.2.3')
semver('v1.2', true).minor()
semver('01.02.03', true).patch()
semver('1.02.3')
semver('1.2.x')
semver('')
semver('1.2-x', true)
semver('1.2.3-01')
semver('1.2.3-')
semver('1.2.3+')
isSemver('1.2.3')
isSemver('v1.2.3')
isSemver('v1.2.3', true)
semver('1.2.3').isLessThan(semver('1.2.4'))
semver('1.2.3-alpha').isLessThan(semver('1.2.3'))
semver('1.2.3-alpha.2').compareTo(semver('1.2.3-alpha.10'))
semver('1.2.3').isGreaterThan(semver('1.2.3-rc'))
semver('1.2.3+a') == semver('1.2.3+b')
semver('1.2.3') == quantity('1')
quantity('1') == dyn(1)
ip('1.1.1.1') == dyn('1.1.1.1')
oldSelf.i
oldSelf.i == self.i
oldSelf.s.size() + self.s.size()
foo
foo()
self.foo()
foo.bar
self.s.foo('x')
self.s.startsWith(1)
self.i > 'a'
size(1)
[1] + 1
self.s + self.i
!self.i
-self.s
self.i && true
true || 'a'
self.list[self.s]
self.map[1]
quantity(1)
self.ports.exists(p, p.foo == 1)
self.ports.all(p, p.port > 'a')
1 +
1 + + 2
self.
self..s
(1
[1, 2
{1: 2
{1}
{a: 1}
self.s ==
== 1
1 2
'unclosed
"also unclosed
self.s == 'a' &&
a b c
self.s ? 1
self.s ? 1 :
@
#
self.s = 1
1 & 2
self.if
if
while(true)
self.list.all(x, )
f(,)
self{a: 1}
foo.Bar{a: 1}
self.`a-b`
// comment only
1 // comment
self.s // comment
'\\\\q'
'\\\\ud800'
b'\\\\u0041'
1.
1..2
01
0x
1u2
self.s.matches('a' + 'b')
self.ints.map(x, x, x, x)
has(self.s).foo
has(1)
type
string
int
google.protobuf.Timestamp
type(self.time) == google.protobuf.Timestamp
self.i in self.ints && self.j in self.ints
self.ints.map(x, x + 1).filter(x, x > 2).exists(x, x == 4)
[1, 2, 3, 4].map(x, x % 2 == 0, string(x))
self.s.split(' ').map(w, w.size())
self.list.map(l, l.upperAscii()).join('-')
self.ports.all(p, p.name.matches('^[a-z]+$'))
cel.bind(x, 1, x + 1)
(self.i > 5 ? self.list : self.set).exists(x, x == 'a')
self.?ports[0].?port.orValue(0) > 10
self.b && has(self.child) && self.child.name == 'c' && self.i > 0 && self.j < 0
self.b || has(self.child) || self.child.name == 'c' || self.i > 0 || self.j < 0
(1 + 2) * 3 - 4 / 2 % 3
1 - 2 - 3
2 * 3 + 4 == 10 && !false || false
1 < 2 == true
- 1
--1
---1
!!true
!!!true
-self.i - -self.i
self.ints[0] + self.ints[1]
self.ints[self.ints[1]]
self.map[self.list[0] + 'x']
[self.s][0]
{'a': self.s}.a
{'a': self.s}['a']
[self.child][0].name
'abc'.size() == 3
'é'.size()
size('a' + self.s)
self.list.all(x, x in self.set) || true
[1, 2].exists(x, x > 1) ? 'y' : 'n'
self.s.indexOf('w') == 6 ? self.s.substring(6) : ''
dyn([1, 'a', 2.5])
dyn({}).foo
[].all(x, x)
[].map(x, x)
[].exists(x, x > 1)
[dyn(1), dyn('a')].all(x, x == 1)
[{'a': 1}].map(x, x.a)
[[1, 2], [3]].map(x, x.size())
dyn(1).startsWith('a')
dyn(1).contains('a')
dyn(1).matches('a')
int(dyn([]))
string(dyn([]))
dyn(1).indexOf('a')
dyn('a').sum()
dyn(1).getHours()
quantity(dyn(1))
dyn(1).isLessThan(quantity('1'))
quantity('1').isLessThan(dyn(1))
dyn('a').all(x, true)
dyn(null).all(x, true)
dyn([1]).exists(x, x)
dyn(1) && true
dyn(1) || true
dyn('a') ? 1 : 2
!dyn('a')
-dyn('a')
dyn(1) in dyn(2)
dyn(1).size()
size(dyn(1))
dyn('abc').size()
dyn('a').split(',')
dyn(5).split(',')
dyn(5).lowerAscii()
dyn(5).substring(1)
[dyn('a'), dyn(1)].join()
dyn([1, 2]).map(x, x + 1)
dyn([1, 2]).sum()
dyn([1, 2]).max()
dyn([2, 1]).sort()
dyn([2, 1]).isSorted()
dyn(1) < 'a'
dyn('a') < 1
dyn(1) - 'a'
1 + dyn('a')
1 + dyn(2.0)
1 < dyn(2.0)
dyn(1u) + dyn(1)
{self.s: 1, self.s: 2}
{dyn(self.i): 1}
{dyn(self.i): 1, dyn('a'): 2}[7]
quantity('1.0').isInteger()
quantity('1500m').isInteger()
quantity('2000m').isInteger()
quantity('1Ti').asInteger()
quantity('8Ei').isInteger()
quantity('123456789012345678').isInteger()
quantity('1234567890123456789').isInteger()
quantity('0').isInteger()
quantity('0.5').add(quantity('0.5')).isInteger()
quantity('1e2').add(quantity('1')).asInteger()
quantity('1.5Gi').asApproximateFloat()
quantity('1.5Gi').isInteger()
quantity('1n').asApproximateFloat()
quantity('0.1n').asApproximateFloat()
quantity('9Ei').compareTo(quantity('10Ei'))
quantity('-9Ei').compareTo(quantity('-10Ei'))
string(1000000.0)
string(100000.0)
string(0.0001)
string(0.00001)
string(-0.0)
[1, 'a', 2.0, b'x']
['a', null]
[self.ios, 1]
{'a': [1], 'b': ['x']}
self.s.matches('a(b')
self.s.matches('*')
self.s.find('*')
self.s.find('a**')
self.s.find('a{2000}')
self.s.find('\\\\q')
self.s.find('[b-a]')
self.s.find('(?P<n')
self.s.find('a)')
self.s.find('(?=a)')
self.s.find(r'\\1')
self.s.find('x\\\\')
'%d %s'.format([self.i, self.n])
'%s'.format([self.child])
'%s'.format([optional.of(1)])
'%s'.format([[self]])
'%s'.format([{'a': quantity('1')}])
'%.2f %5d'.format([self.n, 1])
'100%'.format([])
'%s'.format(self.list)
'%s'.format(['a', self.i].map(x, x))
self.?list[?1].orValue('z')
self.?map[?'k'].orValue('z')
self.?ports[?0].name
has(self.?map.k)
has(self.?map.zzz)
optional.of(self.map).k
optional.of(self.map)['k']
optional.of(self.child).name
optional.of(self.list)[0]
optional.none().foo
type(self.free)
type(self.keyed)
self.unknown != oldSelf.unknown
self.list.exists_one(i, v, v == 'a')
self.time.getHours('')
self.time.getHours('UTC')
self.time.getHours('-05:00')
self.time.getHours('5')
timestamp('2024-01-01T00:00:00.123456789Z')
string(timestamp('2024-01-01T00:00:00.100Z'))
string(timestamp('2024-01-01T00:00:00+02:00'))
timestamp('2024-13-01T00:00:00Z')
timestamp('2024-01-01')
duration('')
duration('1')
duration('1h1')
duration('.5s')
duration('1us')
int(duration('1.5s'))
self.ints.map(x, x > 0 ? x : -x)
self.ints.filter(x, self.b ? x > 1 : x < 1)
(self.b ? self.ints : [1]).map(x, x)
self.ints.map(i, self.list[i % 2])
self.ports.map(p, p.?port.orValue(1))
self.ports.exists(p, p.?port == optional.of(80))
self.b ? self.child.name : self.s
self.b ? self.child.child.v : 0
self.b ? self.ints[0] : 1
self.b ? has(self.s) : false
self.b ? (self.b ? self.i : 1) : 2
(self.b ? self.child : self.child).child.v
[self.i][0]
self.ints[self.ints.size() - 1]
self.map[self.b ? 'k' : 'other']
self.list.map(x, {'n': x}).filter(y, y.n == 'a').size()
self.list.map(x, {'n': x})[0].n
self.s.startsWith(self.short) || self.s.endsWith(self.short)
self.s in self.map
self.keyed.exists(k, oldSelf.keyed.exists(o, o.name == k.name && o.port == k.port))
self.keyed.all(k, k in oldSelf.keyed)
self.set.all(x, x in oldSelf.set)
sets.equivalent(self.set, oldSelf.set)
self.list.all(x, self.list.filter(y, y == x).size() == 1)
self.deep.all(k, self.deep[k].all(v, self.ints.exists(i, i == v)))
self.deep.map(k, self.deep[k].sum()).sum()
dyn(true) + 1
dyn(null) + 1
dyn({}) + 1
dyn([]) + 1
dyn(null) - 1
dyn('a') - 1
dyn({}) * 2
dyn('a') * 'b'
dyn(1.5) % 2
dyn(null) < 1
dyn([]) < 'a'
dyn(self.child) >= 1
dyn(true) < 1
dyn([]) < dyn([])
dyn(self.time) + 1
dyn(self.duration) - 1
quantity('1').foo
semver('1.2.3').major > 1
url(self.s).foo + 1
ip('1.2.3.4').foo
.foo(1)
.size([1])
.self.i
dyn
type(dyn(1)) == int
self.list.join().size() > 3 ? self.list.join().upperAscii() : ''
""".strip("\n")


LARGE = "1" * 5000
"""More digits than an interpreter may like to read."""

OF_LARGE = [
    *("LARGE", "-LARGE", "LARGEu", "int('LARGE')", "uint('LARGE')", "double('LARGE')", "quantity('LARGE').isInteger()"),
    *("quantity('1eLARGE')", "semver('LARGE.1.1')", "isSemver('1.1.1-LARGE')", "ip('1.2.3.LARGE')", "isIP('1.2.3.LARGE')"),
    *("isCIDR('1.2.3.4/LARGE')", "duration('LARGEh')", "duration('0.LARGEs')", "'%.LARGEf'.format([1.0])"),
    *("isURL('http://a:LARGE/')", "timestamp(99999999999999)", "timestamp(-99999999999999)"),
    *("self.time.getHours('../x')", "self.time.getHours('/x')", "{true: 'a'}[dyn(1)]", "dyn({1: 'a'})[true]", "{true: 'a'}[true]"),
]


def expressions() -> list[str]:
    """Return the expressions, in which escapes stand for characters where they are doubled."""
    out, lines = [], EXPRESSIONS.split("\n")
    while lines:
        line = lines.pop(0)
        if line.startswith('"""'):
            line += "\n" + lines.pop(0)
        out.append(line.replace("\\\\", "\\"))
    return out + [text.replace("LARGE", LARGE) for text in OF_LARGE]


def cases() -> dict[str, Any]:
    """Return all cases."""
    objects = [{"self": SELF, "old": OTHER}, {"self": OTHER, "old": SELF}]
    listed = [{"expression": one, "objects": objects} for one in expressions()]
    return {"groups": [{"schema": SCHEMA, "root": False, "cases": listed}], "definitions": DEFINITIONS}


if __name__ == "__main__":
    json.dump(cases(), sys.stdout, ensure_ascii=False)
