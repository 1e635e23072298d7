#!/usr/bin/env python3
"""The cells of the interop matrix: what can be combined, what cannot and why, which cells stand for all.

  cells.py list [--all]      the names of the cells, one a line
  cells.py words [NAME]...   what each cell is made of, as shell assignments; names also from standard input
  cells.py table [FILE]...   the table of what runs left in files or standard input; status 1 unless all worked

A cell's name is its values joined by dots. The same input gives the same cells in every run.
"""
import itertools
import pathlib
import random
import re
import sys

# --- what there is

PARAMETERS = {
    "peer": ["racoon", "strongswan", "libreswan"],
    "mode": ["main", "aggressive", "base"],
    "begins": ["we", "peer"],
    "nat": ["none", "we", "peer", "both"],  # who is behind one
    "kernel": ["xfrm", "userspace"],  # ours; a peer that is no racoon always has the kernel's
    "form": ["tunnel", "transport"],
    "proto": ["esp", "ah", "esp+ah", "ipcomp"],
    "pfs": ["pfs", "nopfs"],
    # every cipher, hash and group of phase 1, and every algorithm of phase 2, at least once
    "ike": [
        "3des-md5-modp1536", "aes128-sha1-modp2048", "aes192-sha256-modp3072", "camellia256-sha384-modp4096",
        "aes256-sha512-modp6144", "camellia128-sha256-modp8192", "aes128-sha256-ecp256", "aes256-sha384-ecp384",
        "camellia192-sha512-ecp521", "aes256-sha256-curve25519", "des-md5-modp768", "des-sha1-modp1024",
        "blowfish128-sha1-modp1024s160", "cast128-md5-modp2048s224", "aes192-sha256-modp2048s256",
        "3des-sha1-bp224", "blowfish256-sha256-bp256", "cast128-sha384-bp384", "camellia256-sha512-bp512",
    ],
    "suite": [
        "aes128-sha1", "aes192-sha384", "aes256-sha256", "camellia256-sha512", "aes128-xcbc", "3des-md5",
        "ctr128-sha1", "gcm16_256", "gcm12_128", "gcm8_256", "gmac256", "null-sha256", "des-md5", "blowfish128-sha1",
        "cast128-md5",
    ],
}
# What these have no pairs with: phase 1 does not see what its algorithms are used for, nor phase 2 the other way.
APART = {"ike": {"nat", "kernel", "form", "proto", "pfs", "suite"}, "suite": {"mode", "begins", "nat", "pfs", "ike"}}

# Found a mistake of ours, and is run whatever the covering draws.
KEPT = [
    # The IDs of an answer name the host behind the NAT by the address that it has there.
    "strongswan.aggressive.we.peer.userspace.transport.ipcomp.pfs.aes128-sha256-ecp256.aes128-sha1",
]

# --- what there is not


class Rule:
    """Cells in which each named parameter has one of the values named for it do not exist, for the reason."""

    def __init__(self, reason, **values):
        self.reason = reason
        self.values = {name: set(v) for name, v in values.items()}

    def forbids(self, cell):
        return all(cell.get(name) in values for name, values in self.values.items())


def having(name, *words):
    return [v for v in PARAMETERS[name] if set(v.replace("_", "-").split("-")) & set(words)]


OTHERS = ["strongswan", "libreswan"]
AEAD = having("suite", "gcm16", "gcm12", "gcm8", "gmac256")
RULES = [
    Rule("a NAT changes what AH protects", proto=["ah", "esp+ah"], nat=["we", "peer", "both"]),
    Rule("ESP algorithms that hold their integrity have none for AH", proto=["ah", "esp+ah"], suite=AEAD),
    Rule("only racoon speaks base mode", peer=OTHERS, mode=["base"]),
    Rule("strongSwan and libreswan negotiate no bundle of ESP and AH", peer=OTHERS, proto=["esp+ah"]),
    Rule("libreswan has no DES, Blowfish and CAST", peer=["libreswan"],
         ike=having("ike", "des", "blowfish128", "blowfish256", "cast128")),
    Rule("libreswan has no DES, Blowfish and CAST", peer=["libreswan"],
         suite=having("suite", "des", "blowfish128", "cast128")),
    Rule("libreswan has no groups 1, 2, 22-24 and Brainpool", peer=["libreswan"],
         ike=having("ike", "modp768", "modp1024", "modp1024s160", "modp2048s224", "modp2048s256", "bp224", "bp256",
                    "bp384", "bp512")),
    # pluto 4.10 ends with "ASSERTION FAILED: esp_dst_keymat.len == encrypt_keymat_size + integ_keymat_size" as soon as it
    # has agreed to it: its quick mode counts no key for this transform.
    Rule("libreswan's IKEv1 has no keys for AES-GMAC and aborts", peer=["libreswan"], suite=["gmac256"]),
    Rule("racoon's kernel-userspace has no DES, Blowfish and CAST", kernel=["userspace"],
         suite=having("suite", "des", "blowfish128", "cast128")),
]


def forbidden(cell):
    return next((rule for rule in RULES if rule.forbids(cell)), None)


def exists(cell, known={}):
    """Whether the rest of the parameters can be such that there is that cell."""
    key = frozenset(cell.items())
    if key not in known:
        free = next((n for n in PARAMETERS if n not in cell), None)
        known[key] = not forbidden(cell) and (
            free is None or any(exists({**cell, free: value}) for value in PARAMETERS[free]))
    return known[key]


# --- which stand for all

def apart(a, b):
    return b in APART.get(a, ()) or a in APART.get(b, ())


def all_pairs():
    """Every pair of values that a cell can have, and those that none can with the rule that says so."""
    can, cannot = [], []
    for a, b in itertools.combinations(PARAMETERS, 2):
        if apart(a, b):
            continue
        for x, y in itertools.product(PARAMETERS[a], PARAMETERS[b]):
            pair = ((a, x), (b, y))
            (can if exists(dict(pair)) else cannot).append(pair)
    return can, cannot


def pairs_of(cell):
    return {((a, cell[a]), (b, cell[b])) for a, b in itertools.combinations(PARAMETERS, 2)
            if a in cell and b in cell and not apart(a, b)}


def covering():
    """Few cells with all pairs in them: each begins with a pair that is still missing and takes the values that
    bring the most of the others. What is equal is drawn, always alike; the number is one that draws well."""
    draw = random.Random(12).random
    cells = [cell_of(name) for name in KEPT]
    missing = dict.fromkeys(p for p in all_pairs()[0] if not any(p in pairs_of(c) for c in cells))
    while missing:
        best, best_gain = None, -1
        for seed in sorted(missing, key=lambda _: draw())[:12]:
            cell = dict(seed)
            free = [n for n in PARAMETERS if n not in cell]
            for name in sorted(free, key=lambda n: 6 * draw() - len(PARAMETERS[n])):
                def gain(value):
                    return sum(p in missing for p in pairs_of({**cell, name: value})), draw()
                cell[name] = max((v for v in PARAMETERS[name] if exists({**cell, name: v})), key=gain)
            gained = sum(p in missing for p in pairs_of(cell))
            if gained > best_gain:
                best, best_gain = cell, gained
        for pair in pairs_of(best):
            missing.pop(pair, None)
        cells.append({n: best[n] for n in PARAMETERS})
    return cells


def everything():
    """Every combination, with the algorithms by turns; and every pair of those that the covering has."""
    names = [n for n in PARAMETERS if n not in APART]
    turn = {name: itertools.cycle(PARAMETERS[name]) for name in APART}
    cells = {name_of(c): c for c in covering()}
    for values in itertools.product(*(PARAMETERS[n] for n in names)):
        cell = dict(zip(names, values))
        for name in APART:
            if exists(cell):
                cell[name] = next(v for v in turn[name] if exists({**cell, name: v}))
        if len(cell) == len(PARAMETERS):
            cells[name_of(cell)] = {n: cell[n] for n in PARAMETERS}
    return list(cells.values())


def name_of(cell):
    return ".".join(cell[n] for n in PARAMETERS)


def cell_of(name):
    values = name.split(".")
    if len(values) != len(PARAMETERS):
        sys.exit(f"{name}: {len(values)} values; a cell has {len(PARAMETERS)}: {', '.join(PARAMETERS)}")
    for (parameter, known), value in zip(PARAMETERS.items(), values):
        if value not in known:
            sys.exit(f"{name}: {parameter} is {value}; known: {', '.join(known)}")
    return dict(zip(PARAMETERS, values))


def chosen(everything_wanted):
    cells = everything() if everything_wanted else covering()
    left = set(all_pairs()[0]).difference(*map(pairs_of, cells))
    if left or neglected(cells):
        sys.exit(f"these cells leave out {sorted(left)} {neglected(cells)}")
    # cells of one kind together, so that daemons on the other side need not change; the order is the table's
    return sorted(cells, key=lambda c: [PARAMETERS[n].index(c[n]) for n in ("peer", "nat", "kernel")])


def neglected(cells):
    """What racoon's modules have for phase 1 and none of the cells uses."""
    used = set()
    for cell in cells:
        spelled = racoon_words(cell)
        used |= {("cipher", spelled["cipher"].split()[0]), ("hash", spelled["hash"]), ("dh-group", spelled["group"])}
    plugins = pathlib.Path(__file__).resolve().parents[2] / "plugins"
    manifests = "".join(path.read_text() for path in plugins.glob("crypto-*/plugin.json*"))
    return sorted(set(re.findall(r'"racoon\.(cipher|hash|dh-group)/1", "key": "([^"]+)"', manifests)) - used)


# --- how each daemon spells it

def split_key(word):
    """aes256 -> aes, 256; 3des -> 3des, nothing"""
    name = word.rstrip("0123456789")
    return name, word[len(name):]


def ours(word):
    if word == "cast128":
        return "cast128 128"
    name, bits = split_key(word)
    return f"{name} {bits}".strip()


def phase2_of(cell):
    """Cipher and integrity, the latter empty for those ciphers that hold it."""
    cipher, _, auth = cell["suite"].partition("-")
    return cipher, auth


def racoon_words(cell):
    cipher, hash_, group = cell["ike"].split("-")
    esp, auth = phase2_of(cell)
    name, bits = split_key(esp)
    special = {"ctr": "aes_ctr", "gmac": "null_auth_aes_gmac", "null": "null_enc", "gcm16_": "aes_gcm_16",
               "gcm12_": "aes_gcm_12", "gcm8_": "aes_gcm_8"}
    return {
        "cipher": ours(cipher), "hash": hash_,
        "group": group.replace("bp", "brainpoolp") + "r1" if group.startswith("bp") else group,
        "esp_cipher": f"{special[name]} {bits}".strip() if name in special else ours(esp),
        "esp_auth": "aes_xcbc_mac" if auth == "xcbc" else f"hmac_{auth or 'sha256'}",
    }


def strongswan_words(cell):
    cipher, hash_, group = cell["ike"].split("-")
    if group.startswith("bp"):
        group = f"ecp{group[2:]}bp"
    esp, auth = phase2_of(cell)
    auth = "aesxcbc" if auth == "xcbc" else auth
    name, bits = split_key(esp)
    esp = {"ctr": f"aes{bits}ctr", "gmac": f"aes{bits}gmac", "gcm16_": f"aes{bits}gcm16",
           "gcm12_": f"aes{bits}gcm12", "gcm8_": f"aes{bits}gcm8"}.get(name, esp)
    parts = [auth] if cell["proto"] == "ah" else [esp, auth]
    return {"their_ike": f"{cipher}-{hash_}-{group}",
            "their_phase2": "-".join(filter(None, parts + [group if cell["pfs"] == "pfs" else ""]))}


def libreswan_words(cell):
    sha2 = {"sha256": "sha2_256", "sha384": "sha2_384", "sha512": "sha2_512", "xcbc": "aes_xcbc", "": "null"}
    cipher, hash_, group = cell["ike"].split("-")
    group = {"ecp256": "dh19", "ecp384": "dh20", "ecp521": "dh21", "curve25519": "dh31"}.get(group, group)
    esp, auth = phase2_of(cell)
    auth = sha2.get(auth, auth)
    name, bits = split_key(esp)
    esp = {"ctr": f"aes_ctr_{bits}", "gmac": f"null_auth_aes_gmac_{bits}", "gcm16_": f"aes_gcm_c_{bits}",
           "gcm12_": f"aes_gcm_b_{bits}", "gcm8_": f"aes_gcm_a_{bits}"}.get(name, esp)
    # PFS has the group of phase 1 unless told; an ECP one cannot be told.
    return {"their_ike": f"{cipher}-{sha2.get(hash_, hash_)}-{group}",
            "their_phase2": auth if cell["proto"] == "ah" else f"{esp}-{auth}"}


def words(name):
    cell = cell_of(name)
    rule = forbidden(cell)
    if rule:
        sys.exit(f"{name}: {rule.reason}")
    spelled = {"cell": name, "with": cell["peer"], **{k: v for k, v in cell.items() if k not in APART and k != "peer"},
               **racoon_words(cell)}
    if cell["peer"] != "racoon":
        spelled.update({"strongswan": strongswan_words, "libreswan": libreswan_words}[cell["peer"]](cell))
    return " ".join(f"{k}='{v}'" for k, v in spelled.items())


# --- what came of it

SHORT = {"aggressive": "aggr", "userspace": "user", "tunnel": "tunn", "transport": "tran", "pfs": "PFS", "nopfs": "-",
         "none": "-"}
COLUMNS = [("mode", "mode", 4), ("begins", "from", 4), ("nat", "NAT", 4), ("kernel", "here", 4), ("form", "form", 4),
           ("proto", "proto", 6), ("ike", "phase 1", 24), ("suite", "phase 2", 14), ("pfs", "", 3)]
NAMES = {"racoon": "racoon", "strongswan": "strongSwan", "libreswan": "libreswan"}


def short(parameter, value):
    value = SHORT.get(value, value).replace("camellia", "cam").replace("blowfish", "blow").replace("curve25519", "c25519")
    return value[:dict((c[0], c[2]) for c in COLUMNS)[parameter]]


def table(lines):
    """Prints the table. Lines are "wanted NAME", "cell NAME SECONDS ok" and "cell NAME SECONDS the reason why not"."""
    wanted, results = {}, {}
    for line in lines:
        word = line.rstrip("\n").split(" ", 3)
        if word[0] == "wanted":
            wanted[word[1]] = cell_of(word[1])
        elif word[0] == "cell" and len(word) == 4:
            results[word[1]] = (word[2], word[3])
    failed, peer = [], None
    for name, cell in sorted(wanted.items(), key=lambda item: list(PARAMETERS["peer"]).index(item[1]["peer"])):
        if cell["peer"] != peer:
            peer = cell["peer"]
            print(f"\nracoon with {NAMES[peer]}")
            print(" ".join(f"{title:{width}}" for _, title, width in COLUMNS))
        seconds, outcome = results.get(name, ("-", "was not run"))
        if outcome != "ok":
            failed.append((name, outcome))
        row = " ".join(f"{short(name, cell[name]):{width}}" for name, _, width in COLUMNS)
        print(f"{row} {'ok' if outcome == 'ok' else 'FAIL'}")
    print("\nmode: how phase 1 goes; from: who begins; NAT: who is behind one; here: racoon's kernel backend;")
    print("phase 1, phase 2: the algorithms (cam: Camellia, blow: Blowfish, bp: Brainpool).")
    can, cannot = all_pairs()
    covered = set(can).intersection(*[set().union(*map(pairs_of, wanted.values()))])
    print(f"{len(covered)} of the {len(can)} pairs of values that can be had are in these cells; tests/interop/run --all")
    print("runs every combination.")
    left_out(cannot)
    print(f"{len(wanted)} cells, {len(failed)} failed, {sum(float(r[0]) for r in results.values()):.0f} s of them")
    for name, outcome in failed:
        print(f"FAIL  {name}\n      {outcome}\n      again: tests/interop/run --cell {name}")
    return 1 if failed or not wanted else 0


def left_out(pairs):
    """What no run has, and why; of how many pairs of values each rule is the reason."""
    reasons = {rule: 0 for rule in RULES}
    others = 0
    for pair in pairs:
        rule = forbidden(dict(pair))
        if rule:
            reasons[rule] += 1
        else:
            others += 1
    for rule, count in reasons.items():
        values = ", ".join("/".join(v for v in PARAMETERS[n] if v in rule.values[n]) for n in PARAMETERS
                           if n in rule.values)
        print(f"not run: {values}\n         because {rule.reason}" + (f" ({count} pairs)" if count else ""))
    if others:
        print(f"not run: {others} pairs more, because of several of these")


def main(arguments):
    verb, *names = arguments or [""]
    if verb == "list":
        print("\n".join(name_of(c) for c in chosen("--all" in names)))
    elif verb == "words":
        for name in names or sys.stdin.read().split():
            print(words(name))
    elif verb == "table":
        lines = [line for name in names for line in open(name)] if names else sys.stdin
        sys.exit(table(lines))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
