#!/usr/bin/env python3
"""The cells of the interop matrix: what can be combined, what cannot and why, which cells stand for all.

  cells.py list [--all]           the names of the cells, one a line
  cells.py words NAME             what a cell is made of, as shell assignments
  cells.py table [--all] <RESULTS the table of what a run printed; status 1 unless every cell worked

A cell's name is its values joined by dots. The same input gives the same cells in every run.
"""
import itertools
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
    Rule("racoon's kernel-userspace has no DES, Blowfish and CAST", kernel=["userspace"],
         suite=having("suite", "des", "blowfish128", "cast128")),
]


def forbidden(cell):
    return next((rule for rule in RULES if rule.forbids(cell)), None)


def complete(cell, names=None):
    """The cell with the rest of its parameters such that it exists, or None."""
    if forbidden(cell):
        return None
    free = [n for n in (names or PARAMETERS) if n not in cell]
    if not free:
        return cell
    for value in PARAMETERS[free[0]]:
        whole = complete({**cell, free[0]: value}, names)
        if whole:
            return whole
    return None


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
            (can if complete(dict(pair)) else cannot).append(pair)
    return can, cannot


def pairs_of(cell):
    return {((a, cell[a]), (b, cell[b])) for a, b in itertools.combinations(PARAMETERS, 2)
            if a in cell and b in cell and not apart(a, b)}


def covering():
    """Few cells with all pairs in them: each begins with a pair that is still missing and takes the values
    that bring the most of the others; of equal ones those that were used least."""
    missing = dict.fromkeys(all_pairs()[0])
    used = {(n, v): 0 for n, values in PARAMETERS.items() for v in values}
    cells = []
    while missing:
        best, best_gain = None, -1
        for seed in itertools.islice(missing, 12):
            cell = dict(seed)
            order = sorted((n for n in PARAMETERS if n not in cell), key=lambda n: -len(PARAMETERS[n]))
            for name in order:
                def gain(value):
                    tried = {**cell, name: value}
                    return sum(p in missing for p in pairs_of(tried)), -used[name, value]
                fit = [v for v in PARAMETERS[name] if complete({**cell, name: v})]
                cell[name] = max(fit, key=gain)
            gained = sum(p in missing for p in pairs_of(cell))
            if gained > best_gain:
                best, best_gain = cell, gained
        for pair in pairs_of(best):
            missing.pop(pair, None)
        for item in best.items():
            used[item] += 1
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
            if complete(cell):
                cell[name] = next(v for v in turn[name] if complete({**cell, name: v}))
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
    # cells of one kind together, so that daemons on the other side need not change; the order is the table's
    return sorted(cells, key=lambda c: [PARAMETERS[n].index(c[n]) for n in ("peer", "nat", "kernel")])


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


def table(lines, everything_wanted, named):
    """Prints the table. A result is a line "cell NAME SECONDS ok" or "cell NAME SECONDS the reason why not"."""
    results = {}
    for line in lines:
        word = line.rstrip("\n").split(" ", 3)
        if word[0] == "cell" and len(word) == 4:
            results[word[1]] = (word[2], word[3])
    wanted = [cell_of(n) for n in named] or chosen(everything_wanted)
    failed, peer = [], None
    for cell in wanted:
        if cell["peer"] != peer:
            peer = cell["peer"]
            print(f"\nracoon with {NAMES[peer]}")
            print(" ".join(f"{title:{width}}" for _, title, width in COLUMNS))
        seconds, outcome = results.get(name_of(cell), ("-", "was not run"))
        if outcome != "ok":
            failed.append((name_of(cell), outcome))
        row = " ".join(f"{short(name, cell[name]):{width}}" for name, _, width in COLUMNS)
        print(f"{row} {'ok' if outcome == 'ok' else 'FAIL'}")
    print("\nmode: how phase 1 goes; from: who begins; NAT: who is behind one; here: racoon's kernel backend;")
    print("phase 1, phase 2: the algorithms (cam: Camellia, blow: Blowfish, bp: Brainpool).")
    if not named:
        summary(wanted, everything_wanted)
    print(f"{len(wanted)} cells, {len(failed)} failed, {sum(float(r[0]) for r in results.values()):.0f} s")
    for name, outcome in failed:
        print(f"FAIL  {name}\n      {outcome}\n      again: tests/interop/run --cell {name}")
    return 1 if failed or not wanted else 0


def summary(cells, everything_wanted):
    can, cannot = all_pairs()
    covered = set().union(*map(pairs_of, cells)) & set(can)
    print(f"{len(covered)} of the {len(can)} pairs of values are in them"
          f"{'' if everything_wanted else '; --all runs every combination'}. What cannot be:")
    reasons = {}
    for pair in cannot:
        rule = forbidden(dict(pair))
        reasons.setdefault(rule.reason if rule else "follows from the others", []).append(pair)
    for reason in dict.fromkeys([r.reason for r in RULES] + list(reasons)):
        pairs = len(reasons.get(reason, []))
        print(f"  {reason}" + (f" ({pairs} pairs)" if pairs else ""))


def main(arguments):
    if not arguments or arguments[0] not in ("list", "words", "table"):
        sys.exit(__doc__)
    everything_wanted = "--all" in arguments
    names = [a for a in arguments[1:] if a != "--all"]
    if arguments[0] == "list":
        print("\n".join(name_of(c) for c in chosen(everything_wanted)))
    elif arguments[0] == "words":
        for name in names or sys.stdin.read().split():
            print(words(name))
    else:
        sys.exit(table(sys.stdin, everything_wanted, names))


if __name__ == "__main__":
    main(sys.argv[1:])
