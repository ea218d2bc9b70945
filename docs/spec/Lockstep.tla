------------------------------ MODULE Lockstep ------------------------------
(* The log and the route: decide, replicate, put, acknowledge, clear, close;
   shrink, takeover and planned move in rounds; return in rounds, with overruling,
   copy and join.  README.md says which function of the code each action is.

   Off = {} is the protocol as it is in the code; Off = {"rule"} takes one rule
   out, and an invariant must fail.

   Failures are implicit: every step is optional, so a site or process that is
   down or cut off just takes no steps, and one that is slow takes them late.  A
   takeover needs no reason (false suspicion included).  Each process keeps the
   route that it read: that is its cache.  What is on any stream may be read at
   any time.  Only the liveness configurations lose sites explicitly (Mortal) and
   count the faults (Faults), because there the steps are not optional.

   Here active[stream] = home (Streams.tla moves it), every transaction is
   one-shot (Interactive.tla stages), and every takeover is clean (Unclean.tla). *)
EXTENDS Naturals, FiniteSets, TLC
CONSTANTS Site, First, Start0,       \* all sites; first home; in sync at the start
          Txn, NCopy,                \* transactions 1..n; copies of the guard
          Coord, Helper, Returner,   \* processes that commit, finish takeovers, return
          Abortable, Versioned,      \* subsets of Txn; versioned ones share a key
          MaxTerm, MaxEpoch,         \* bounds
          Moves,                     \* planned moves
          LateClose,                 \* bars reach followers late
          Mortal, Faults,            \* sites that may be lost; faults left, 0 = uncounted
          Off                        \* names of the rules that are taken out
VARIABLES route,  \* control store: one record, changed by compare-and-set
          homes,  \* term -> home
          served, \* epoch with which this term began to serve, 0 = not yet
          guard,  \* site -> copy -> [term, epoch, open]
          log,    \* site -> txn -> [st, term, v]
          pend,   \* site -> txn -> epoch of the pending mark, 0 = none
          ver,    \* site -> version item of the shared key
          body,   \* site -> txns whose chunks stand there
          out,    \* <<txn, entry>> with a record on some stream of some site
          acked,  \* <<txn, entry>> told to a client
          co, hp, rt,  \* coordinators, helpers of takeovers, returning processes
          bars,   \* <<site, txn, term>> that a close under way will clear
          down,   \* sites that are lost now
          left    \* faults that may still happen
stores == <<guard, log, pend, ver, body>>
told == <<out, acked>>
world == <<down, left>>
vars == <<route, homes, served, stores, told, co, hp, rt, bars, world>>

Rule(x) == x \notin Off
Copies == 1..NCopy
CopyOf(t) == ((t - 1) % NCopy) + 1
None == [st |-> "none", term |-> 0, v |-> 0]
Idle == [st |-> "idle"]
Max(S) == CHOOSE x \in S : \A y \in S : y <= x
Isv(t, e) == t \in Versioned /\ e.st = "commit"
VerOf(l) == Max({0} \cup {l[t].v : t \in {u \in Versioned : l[u].st = "commit"}})
Joining(r) == {s \in Site : r.joining[s] # 0}
More == route.epoch < MaxEpoch
Up(s) == s \notin down
\* A fault: counted where liveness is checked.  What a loss makes necessary is none.
Spend == IF Faults = 0 THEN UNCHANGED left ELSE left > 0 /\ left' = left - 1
View == [term |-> route.term, epoch |-> route.epoch, home |-> route.home,
         insync |-> route.insync, joining |-> Joining(route)]

Init ==
  /\ route = [term |-> 1, epoch |-> 1, home |-> First, insync |-> Start0,
              joining |-> [s \in Site |-> 0], deposed |-> {}, serving |-> TRUE]
  /\ homes = [i \in 1..MaxTerm |-> First]
  /\ served = 1
  /\ guard = [s \in Site |-> [g \in Copies |->
       [term |-> 1, epoch |-> IF s = First THEN 1 ELSE 0, open |-> s = First]]]
  /\ log = [s \in Site |-> [t \in Txn |-> None]]
  /\ pend = [s \in Site |-> [t \in Txn |-> 0]]
  /\ ver = [s \in Site |-> 0]
  /\ body = [s \in Site |-> {}]
  /\ out = {} /\ acked = {}
  /\ co = [k \in Coord |-> Idle]
  /\ hp = [p \in Helper |-> Idle]
  /\ rt = [p \in Returner |-> Idle]
  /\ bars = {} /\ down = {} /\ left = Faults

\* What a transaction writes at a site: the entry, its chunks, its mark, its version.
\* Versions follow on (follow), or only rise (at a joining site, in an adoption).
WriteEntry(s, t, e, mark) ==
  /\ log' = [log EXCEPT ![s][t] = e]
  /\ pend' = [pend EXCEPT ![s][t] = mark]
  /\ body' = [body EXCEPT ![s] = @ \cup {t}]
  /\ ver' = [ver EXCEPT ![s] = IF Isv(t, e) /\ e.v > @ THEN e.v ELSE @]
FollowsOn(s, t, e) == Isv(t, e) => ver[s] = e.v - 1

---------------------------------------------------------------- \* coordinators
Begin(k, t) ==
  /\ co[k].st = "idle" /\ Up(route.home)
  /\ Rule("serveLast") => route.serving
  /\ co' = [co EXCEPT ![k] = [st |-> "start", t |-> t, r |-> View]]
  /\ UNCHANGED <<route, homes, served, stores, told, hp, rt, bars, world>>

Crash(k) ==
  /\ co[k].st # "idle" /\ co' = [co EXCEPT ![k] = Idle] /\ Spend
  /\ UNCHANGED <<route, homes, served, stores, told, hp, rt, bars, down>>

MayDecide(g, r) == /\ g.open /\ g.term = r.term
                   /\ Rule("guardEpoch") => g.epoch <= r.epoch

\* A predecessor that is still pending is applied first.
Follows(h) == \A u \in Versioned :
  Isv(u, log[h][u]) => pend[h][u] = 0 \/ <<u, log[h][u]>> \in acked

Decide(k) ==   \* one conditional transaction at home
  /\ co[k].st = "start" /\ Up(co[k].r.home)
  /\ LET c == co[k]  h == c.r.home  t == c.t IN
     /\ log[h][t].st = "none" /\ MayDecide(guard[h][CopyOf(t)], c.r)
     /\ (t \in Versioned /\ Rule("predFirst")) => Follows(h)
     /\ \E o \in {"commit"} \cup (IF t \in Abortable THEN {"abort"} ELSE {}) :
        LET e == [st |-> o, term |-> c.r.term,
                  v |-> IF o = "commit" /\ t \in Versioned THEN ver[h] + 1 ELSE 0] IN
        /\ WriteEntry(h, t, e, c.r.epoch)
        /\ co' = [co EXCEPT ![k] = [st |-> "dec", t |-> t, r |-> c.r, e |-> e,
                                    m |-> c.r.epoch, acks |-> {h}]]
  /\ UNCHANGED <<route, homes, served, guard, told, hp, rt, bars, world>>

Help(k) ==     \* decided already and still pending: finish it, in the term known before
  /\ co[k].st = "start" /\ Up(co[k].r.home)
  /\ LET c == co[k]  h == c.r.home  t == c.t IN
     /\ log[h][t].st # "none" /\ pend[h][t] # 0
     /\ co' = [co EXCEPT ![k] = [st |-> "dec", t |-> t, r |-> c.r, e |-> log[h][t],
                                 m |-> pend[h][t], acks |-> {h}]]
  /\ UNCHANGED <<route, homes, served, stores, told, hp, rt, bars, world>>

Tell(k) ==     \* decided and no mark: it is everywhere, and may be told
  /\ co[k].st = "start" /\ Up(co[k].r.home)
  /\ LET c == co[k]  h == c.r.home  t == c.t IN
     /\ log[h][t].st # "none"
     /\ Rule("ackApplied") => pend[h][t] = 0
     /\ acked' = acked \cup {<<t, log[h][t]>>}
  /\ co' = [co EXCEPT ![k] = Idle]
  /\ UNCHANGED <<route, homes, served, stores, out, hp, rt, bars, world>>

Refresh(k) ==  \* a newer route, of the same term only
  /\ co[k].st = "dec" /\ route.epoch > co[k].r.epoch
  /\ IF Rule("sameTerm") THEN route.term = co[k].r.term
                         ELSE route.serving /\ route.home = co[k].r.home
  /\ co' = [co EXCEPT ![k].r = View]
  /\ UNCHANGED <<route, homes, served, stores, told, hp, rt, bars, world>>

\* The route counts only from the epoch of the mark on.
RouteCounts(k, rule) == Rule(rule) => co[k].r.epoch >= co[k].m

Replicate(k, s) ==   \* the mirror agent's conditional transaction at a follower
  /\ co[k].st = "dec" /\ RouteCounts(k, "putRoute") /\ Up(co[k].r.home) /\ Up(s)
  /\ LET c == co[k]  t == c.t  e == c.e  l == log[s][t] IN
     /\ s \in (c.r.insync \cup c.r.joining) \ c.acks
     /\ Rule("fence") => guard[s][CopyOf(t)].term = c.r.term
     /\ \/ l = e /\ UNCHANGED <<log, pend, ver, body>>
        \/ /\ l # e /\ (l.st = "none" \/ (~Rule("cleanFirst") /\ l.term < e.term))
           /\ (s \in c.r.joining /\ Rule("onlyRise")) \/ FollowsOn(s, t, e)
           /\ WriteEntry(s, t, e, c.r.epoch)
     /\ co' = [co EXCEPT ![k].acks = @ \cup {s}]
  /\ UNCHANGED <<route, homes, served, guard, told, hp, rt, bars, world>>

AllLogs(c) == /\ c.r.insync \subseteq c.acks
              /\ Rule("joiningMiss") => c.r.joining \subseteq c.acks

\* All in-sync and joining logs have it: records go onto streams, the client is told.
\* To acknowledge with the first record is the worst case: it only adds obligations.
Apply(k) ==
  /\ co[k].st = "dec" /\ RouteCounts(k, "putRoute") /\ Up(co[k].r.home)
  /\ LET c == co[k] IN
     /\ \/ AllLogs(c)
        \/ ~Rule("logsFirst")
        \/ ~Rule("mirrorLogsFirst") /\ c.acks # {c.r.home}   \* an agent puts at once
     /\ out' = IF c.e.st = "commit" THEN out \cup {<<c.t, c.e>>} ELSE out
     /\ acked' = IF AllLogs(c) THEN acked \cup {<<c.t, c.e>>} ELSE acked
  /\ co' = [co EXCEPT ![k] = [st |-> "applied", t |-> @.t, r |-> @.r, e |-> @.e, m |-> @.m]]
  /\ UNCHANGED <<route, homes, served, stores, hp, rt, bars, world>>

Clear(k) ==    \* the mark goes if it is still the one that was read
  /\ co[k].st = "applied" /\ Up(co[k].r.home)
  /\ LET c == co[k]  h == c.r.home IN
     pend' = [pend EXCEPT ![h][c.t] = IF @ = c.m \/ ~Rule("sameMark") THEN 0 ELSE @]
  /\ co' = [co EXCEPT ![k] = Idle]
  /\ UNCHANGED <<route, homes, served, guard, log, ver, body, told, hp, rt, bars, world>>

\* The request ends: it has no home any more, or nothing to do at this one.
GiveUp(k) ==
  /\ Faults # 0 /\ co[k].st # "idle"
  /\ \/ route.term # co[k].r.term \/ ~route.serving \/ ~Up(co[k].r.home)
     \/ co[k].st = "start" /\ log[co[k].r.home][co[k].t].st = "none"
  /\ co' = [co EXCEPT ![k] = Idle]
  /\ UNCHANGED <<route, homes, served, stores, told, hp, rt, bars, world>>

---------------------------------------------------------------------- \* closing
\* Home has raised its bar over t and applied it; a site that is in sync after that
\* is told, and clears its mark.  The message may be late: then bars remembers it.
IsApplied(t) == LET e == log[route.home][t] IN
  e.st # "none" /\ (<<t, e>> \in acked \/ pend[route.home][t] = 0)

Close(s, t) ==
  /\ route.serving /\ s \in route.insync \ {route.home} /\ pend[s][t] # 0
  /\ Up(s) /\ Up(route.home)
  /\ Rule("followerMark") => IsApplied(t)
  /\ IF LateClose THEN /\ <<s, t, route.term>> \notin bars
                       /\ bars' = bars \cup {<<s, t, route.term>>} /\ UNCHANGED pend
     ELSE /\ guard[s][1].term = route.term
          /\ pend' = [pend EXCEPT ![s][t] = 0] /\ UNCHANGED bars
  /\ UNCHANGED <<route, homes, served, guard, log, ver, body, told, co, hp, rt, world>>

ClearLate(b) ==
  /\ LET s == b[1]  t == b[2] IN
     /\ guard[s][1].term = b[3]
     /\ pend' = [pend EXCEPT ![s][t] = 0]
  /\ bars' = bars \ {b}
  /\ UNCHANGED <<route, homes, served, guard, log, ver, body, told, co, hp, rt, world>>

---------------------------------------------------------------- \* route changes
\* A follower, or a joining site, is left.
Shrink(s) ==
  /\ More /\ s # route.home /\ s \in route.insync \cup Joining(route)
  /\ IF Up(s) THEN Spend ELSE UNCHANGED left
  /\ route' = [route EXCEPT !.insync = @ \ {s}, !.joining[s] = 0, !.epoch = @ + 1]
  /\ UNCHANGED <<homes, served, stores, told, co, hp, rt, bars, down>>

Takeover(y, keep) ==   \* step 1.  keep: planned move, the old home stays in sync
  /\ More /\ route.term < MaxTerm /\ y # route.home /\ Up(y)
  /\ y \in route.insync \/ (Rule("takeBack") /\ ~route.serving /\ y \in route.deposed)
  /\ keep => Moves /\ route.serving
  /\ IF Up(route.home) THEN Spend ELSE UNCHANGED left
  /\ route' = [term |-> route.term + 1, epoch |-> route.epoch + 1, home |-> y,
       insync |-> {y} \cup (IF keep THEN route.insync ELSE route.insync \ {route.home}),
       joining |-> IF Rule("joiningOut") THEN [s \in Site |-> 0] ELSE route.joining,
       deposed |-> IF keep THEN {} ELSE
          ((IF route.serving THEN {} ELSE route.deposed) \cup {route.home}) \ {y},
       serving |-> FALSE]
  /\ homes' = [homes EXCEPT ![route.term + 1] = y]
  /\ served' = 0
  /\ UNCHANGED <<stores, told, co, hp, rt, bars, down>>

\* Whether a fence may rewrite a copy of the guard, and how.
MayFence(g, term, epoch) ==
  g.term < term \/ (g.term = term /\ (g.epoch = epoch \/ (~g.open /\ g.epoch < epoch)))
FenceStep(g, term, epoch) ==
  IF g.term < term THEN [term |-> term, epoch |-> epoch, open |-> FALSE]
                   ELSE [g EXCEPT !.epoch = epoch]

\* Steps 2 to 4: any process may help, on the route that it read.
HelpTakeover(p) ==
  /\ hp[p].st = "idle" /\ ~route.serving
  /\ hp' = [hp EXCEPT ![p] = [st |-> "fence", r |-> View, fenced |-> {}]]
  /\ UNCHANGED <<route, homes, served, stores, told, co, rt, bars, world>>

HelperDies(p) ==
  /\ Faults = 0 /\ hp[p].st # "idle" /\ hp' = [hp EXCEPT ![p] = Idle]
  /\ UNCHANGED <<route, homes, served, stores, told, co, rt, bars, world>>

StartAgain(p) ==   \* the round cannot be finished: the route is read again
  /\ Faults # 0 /\ hp[p].st # "idle" /\ route.epoch # hp[p].r.epoch
  /\ hp' = [hp EXCEPT ![p] = Idle]
  /\ UNCHANGED <<route, homes, served, stores, told, co, rt, bars, world>>

Collecting(r) == [st |-> "collect", r |-> r, seen |-> {}, best |-> [t \in Txn |-> None]]

Fence(p, s, g) ==
  /\ hp[p].st = "fence" /\ s \in hp[p].r.insync /\ <<s, g>> \notin hp[p].fenced /\ Up(s)
  /\ LET r == hp[p].r
         step == FenceStep(guard[s][g], r.term, r.epoch)
         fenced == hp[p].fenced \cup {<<s, g>>} IN
     IF ~MayFence(guard[s][g], r.term, r.epoch)
     THEN hp' = [hp EXCEPT ![p] = Idle] /\ UNCHANGED guard
     ELSE /\ guard' = [guard EXCEPT ![s][g] =
               IF Rule("serveLast") THEN step ELSE [step EXCEPT !.open = s = r.home]]
          /\ hp' = [hp EXCEPT ![p] = IF fenced = r.insync \X Copies THEN Collecting(r)
                                     ELSE [@ EXCEPT !.fenced = fenced]]
  /\ UNCHANGED <<route, homes, served, log, pend, ver, body, told, co, rt, bars, world>>

SkipFence(p) ==    \* only with the rule taken out: somebody else will fence the rest
  /\ ~Rule("fenceFirst") /\ hp[p].st = "fence"
  /\ hp' = [hp EXCEPT ![p] = Collecting(@.r)]
  /\ UNCHANGED <<route, homes, served, stores, told, co, rt, bars, world>>

Collect(p, s) ==
  /\ hp[p].st = "collect" /\ s \in hp[p].r.insync \ hp[p].seen /\ Up(s)
  /\ LET h == hp[p]
         best == [t \in Txn |-> IF pend[s][t] # 0 /\ log[s][t].term > h.best[t].term
                                THEN log[s][t] ELSE h.best[t]]
         seen == h.seen \cup {s} IN
     hp' = [hp EXCEPT ![p] = [st |-> IF seen = h.r.insync THEN "adopt" ELSE "collect",
                              r |-> h.r, seen |-> seen,
                              best |-> IF Rule("adopt") THEN best ELSE h.best]]
  /\ UNCHANGED <<route, homes, served, stores, told, co, rt, bars, world>>

\* Nothing to adopt, or it stands there already, or a newer decision does.
HasAdopted(s, t, best) == best[t] = None \/ log[s][t] = best[t] \/ log[s][t].term >= best[t].term

Adopt(p, s, t) ==  \* while the guards are shut, in this round, predecessors first
  /\ hp[p].st = "adopt" /\ s \in hp[p].r.insync /\ Up(s)
  /\ LET h == hp[p]  e == h.best[t]  g == guard[s][CopyOf(t)] IN
     /\ ~HasAdopted(s, t, h.best)
     /\ \A u \in Txn : (Isv(t, e) /\ Isv(u, h.best[u]) /\ h.best[u].v < e.v) => HasAdopted(s, u, h.best)
     /\ IF /\ g.term = h.r.term
           /\ Rule("round") => ~g.open /\ g.epoch = h.r.epoch
        THEN WriteEntry(s, t, e, h.r.epoch) /\ UNCHANGED hp
        ELSE hp' = [hp EXCEPT ![p] = Idle] /\ UNCHANGED <<log, pend, ver, body>>
  /\ UNCHANGED <<route, homes, served, guard, told, co, rt, bars, world>>

Serve(p) ==
  /\ More /\ hp[p].st = "adopt" /\ ~route.serving
  /\ IF Rule("serveRound") THEN route.epoch = hp[p].r.epoch ELSE route.term = hp[p].r.term
  /\ \A s \in hp[p].r.insync, t \in Txn : HasAdopted(s, t, hp[p].best)
  /\ route' = [route EXCEPT !.serving = TRUE, !.deposed = {}, !.epoch = @ + 1]
  /\ served' = route.epoch + 1
  /\ hp' = [hp EXCEPT ![p] = Idle]
  /\ UNCHANGED <<homes, stores, told, co, rt, bars, world>>

\* Whoever opens may have read the route long ago: the first serving epoch of the
\* term is the worst case, for guards only rise.
Open(g) ==
  /\ route.serving /\ Up(route.home)
  /\ LET a == guard[route.home][g] IN
     /\ a.term = route.term /\ ~a.open
     /\ guard' = [guard EXCEPT ![route.home][g] =
          [a EXCEPT !.open = TRUE, !.epoch = IF a.epoch > served THEN a.epoch ELSE served]]
  /\ UNCHANGED <<route, homes, served, log, pend, ver, body, told, co, hp, rt, bars, world>>

------------------------------------------------------------------------ \* return
\* A process at site s brings it back; others may be at it at the same time.
Stop(p) == rt' = [rt EXCEPT ![p] = Idle]
At(p, st) == rt[p].st = st /\ Up(rt[p].s)
GoTo(p, st) == rt' = [rt EXCEPT ![p] = [@ EXCEPT !.st = st, !.f = {}]]

\* Each attempt has an epoch of its own: a joining of an earlier one is dropped, and guards
\* that one has left ahead of the route are caught up with, before it begins.
IsTaken(s) == \/ route.joining[s] # 0
              \/ \E g \in Copies : guard[s][g].term = route.term /\ guard[s][g].epoch > route.epoch
BeginReturn(p, s) ==
  /\ More /\ rt[p].st = "idle" /\ route.serving /\ s \notin route.insync /\ IsTaken(s) /\ Up(s) /\ Up(route.home)
  /\ route' = [route EXCEPT !.joining[s] = 0, !.epoch = @ + 1]
  /\ UNCHANGED <<homes, served, stores, told, co, hp, rt, bars, world>>

Return(p, s) ==
  /\ rt[p].st = "idle" /\ route.serving /\ s \notin route.insync /\ ~IsTaken(s)
  /\ Up(s) /\ Up(route.home)
  \* Liveness: attempts are further apart than it takes to open guards; each one that
  \* meets shut guards would use up an epoch, of which there are few here.
  /\ Faults # 0 => \A g \in Copies : guard[route.home][g].open
  /\ rt' = [rt EXCEPT ![p] =
       [st |-> IF Rule("selfFence") THEN "fence" ELSE "look", s |-> s, term |-> route.term,
        epoch |-> route.epoch, home |-> route.home, f |-> {}, since |-> 0,
        alone |-> {}, rest |-> {}, done |-> {}]]
  /\ UNCHANGED <<route, homes, served, stores, told, co, hp, bars, world>>

ReturnerDies(p) ==
  /\ rt[p].st # "idle" /\ Stop(p)
  /\ Faults # 0 => \/ route.term # rt[p].term \/ rt[p].s \in route.insync
                   \/ rt[p].since # 0 /\ route.joining[rt[p].s] # rt[p].since
  /\ UNCHANGED <<route, homes, served, stores, told, co, hp, bars, world>>

FenceSelf(p, g) ==   \* first to the route that was read, again to the epoch of the joining
  /\ At(p, "fence") \/ At(p, "fenceJoin")
  /\ g \notin rt[p].f
  /\ LET q == rt[p]
         step == FenceStep(guard[q.s][g], q.term, q.epoch)
         f == q.f \cup {g} IN
     IF ~MayFence(guard[q.s][g], q.term, q.epoch) THEN Stop(p) /\ UNCHANGED guard
     ELSE /\ guard' = [guard EXCEPT ![q.s][g] = step]
          /\ IF f # Copies THEN rt' = [rt EXCEPT ![p].f = f]
             ELSE GoTo(p, IF q.st = "fence" THEN "look" ELSE IF Rule("fenceJoinFirst") THEN "join" ELSE "raise")
  /\ UNCHANGED <<route, homes, served, log, pend, ver, body, told, co, hp, bars, world>>

\* Of what is pending here, what the serving home has not was never acknowledged.
Mine(s, t) == homes[Max({1, log[s][t].term})] = s
Look(p) ==
  /\ At(p, "look") /\ Up(rt[p].home)
  /\ LET s == rt[p].s  h == rt[p].home
         alone == {t \in Txn : /\ log[s][t].st # "none" /\ pend[s][t] # 0
                               /\ log[h][t] # log[s][t]
                               /\ Rule("overrule") \/ Mine(s, t)} IN
     rt' = [rt EXCEPT ![p] = [@ EXCEPT !.st = "clean",
              !.alone = IF Rule("cleanFirst") THEN {<<t, log[s][t]>> : t \in alone} ELSE {}]]
  /\ UNCHANGED <<route, homes, served, stores, told, co, hp, bars, world>>

InRound(p, t) == LET g == guard[rt[p].s][CopyOf(t)] IN
  Rule("returnRound") => /\ g.term = rt[p].term
                         /\ Rule("selfFence") => ~g.open /\ g.epoch = rt[p].epoch

Overrule(p, a) ==   \* newest first; the version item goes back with it
  /\ At(p, "clean") /\ a \in rt[p].alone
  /\ \A b \in rt[p].alone : b[2].v <= a[2].v
  /\ LET s == rt[p].s  t == a[1]  e == a[2] IN
     IF InRound(p, t) /\ log[s][t] = e /\ (Isv(t, e) => ver[s] = e.v)
     THEN /\ log' = [log EXCEPT ![s][t] = None] /\ pend' = [pend EXCEPT ![s][t] = 0]
          /\ ver' = [ver EXCEPT ![s] = IF Isv(t, e) /\ Rule("versionBack") THEN e.v - 1 ELSE @]
          /\ rt' = [rt EXCEPT ![p] = [@ EXCEPT !.alone = @ \ {a}, !.rest = @ \cup {t}]]
     ELSE Stop(p) /\ UNCHANGED <<log, pend, ver>>
  /\ UNCHANGED <<route, homes, served, guard, body, told, co, hp, bars, world>>

DropRest(p, t) ==   \* its chunks, in a second step
  /\ At(p, "clean") /\ t \in rt[p].rest
  /\ IF InRound(p, t)
     THEN /\ body' = [body EXCEPT ![rt[p].s] = @ \ {t}]
          /\ rt' = [rt EXCEPT ![p].rest = @ \ {t}]
     ELSE Stop(p) /\ UNCHANGED body
  /\ UNCHANGED <<route, homes, served, guard, log, pend, ver, told, co, hp, bars, world>>

\* The fence for the joining comes before it begins: an attempt that sleeps in its
\* cleaning must find the guards lifted when the first decision comes in.
PrepareJoin(p) ==
  /\ Rule("fenceJoinFirst") /\ At(p, "clean") /\ rt[p].alone = {} /\ rt[p].rest = {}
  /\ rt' = [rt EXCEPT ![p] = [@ EXCEPT !.st = IF Rule("selfFence") THEN "fenceJoin" ELSE "join",
                                       !.epoch = route.epoch + 1]]
  /\ UNCHANGED <<route, homes, served, stores, told, co, hp, bars, world>>

JoinStart(p) ==     \* only where nothing has changed since the fence for it
  /\ More /\ IF Rule("fenceJoinFirst") THEN At(p, "join")
             ELSE At(p, "clean") /\ rt[p].alone = {} /\ rt[p].rest = {}
  /\ route.serving /\ route.term = rt[p].term /\ rt[p].s \notin route.insync
  /\ LET s == rt[p].s  e == route.epoch + 1 IN
     IF route.joining[s] # 0 \/ (Rule("fenceJoinFirst") /\ e # rt[p].epoch) THEN Stop(p) /\ UNCHANGED route
     ELSE /\ route' = [route EXCEPT !.joining[s] = e, !.epoch = e]
          /\ rt' = [rt EXCEPT ![p] = [@ EXCEPT !.since = e, !.epoch = e,
                !.st = IF Rule("selfFence") /\ ~Rule("fenceJoinFirst") THEN "fenceJoin" ELSE "raise"]]
  /\ UNCHANGED <<homes, served, stores, told, co, hp, bars, world>>

Raise(p, g) ==      \* home decides nothing any more that would not reach this site
  /\ At(p, "raise") /\ g \notin rt[p].f /\ Up(rt[p].home)
  /\ LET q == rt[p]  a == guard[q.home][g]  f == q.f \cup {g} IN
     IF Rule("guardsBeforeCopy") /\ (a.term # q.term \/ (~a.open /\ Rule("raiseOpen")))
     THEN Stop(p) /\ UNCHANGED guard
     ELSE /\ guard' = IF Rule("guardsBeforeCopy") /\ a.open /\ a.epoch < q.since
                      THEN [guard EXCEPT ![q.home][g].epoch = q.since] ELSE guard
          /\ IF f # Copies THEN rt' = [rt EXCEPT ![p].f = f] ELSE GoTo(p, "copy")
  /\ UNCHANGED <<route, homes, served, log, pend, ver, body, told, co, hp, bars, world>>

Copy(p, t) ==       \* oldest first
  /\ At(p, "copy") /\ t \notin rt[p].done /\ Up(rt[p].home)
  /\ LET q == rt[p]  s == q.s  a == log[q.home][t]  b == log[s][t] IN
     /\ \A u \in Txn \ q.done : (Isv(t, a) /\ Isv(u, log[q.home][u])) => a.v <= log[q.home][u].v
     /\ IF a.st = "none" \/ a = b \/ (b.st # "none" /\ ~Rule("cleanFirst"))
        THEN rt' = [rt EXCEPT ![p].done = @ \cup {t}] /\ UNCHANGED <<log, pend, ver, body>>
        ELSE IF b.st # "none" \/ guard[s][CopyOf(t)].term # (IF Rule("selfFence") THEN q.term ELSE guard[s][1].term)
        THEN Stop(p) /\ UNCHANGED <<log, pend, ver, body>>
        ELSE /\ WriteEntry(s, t, a, pend[q.home][t])
             /\ rt' = [rt EXCEPT ![p].done = @ \cup {t}]
  /\ UNCHANGED <<route, homes, served, guard, told, co, hp, bars, world>>

JoinEnd(p) ==       \* only for the very joining that the copy began with
  /\ More /\ At(p, "copy") /\ rt[p].done = Txn /\ route.serving
  /\ LET s == rt[p].s IN
     /\ IF Rule("joinIncarnation") THEN route.joining[s] = rt[p].since ELSE route.joining[s] # 0
     /\ route' = [route EXCEPT !.insync = @ \cup {s}, !.joining[s] = 0, !.epoch = @ + 1]
  /\ Stop(p)
  /\ UNCHANGED <<homes, served, stores, told, co, hp, bars, world>>

------------------------------------------------------------- \* losses (liveness)
Lose(s) ==
  /\ s \in Mortal /\ down = {} /\ Spend /\ down' = {s}
  /\ UNCHANGED <<route, homes, served, stores, told, co, hp, rt, bars>>

Recover(s) ==
  /\ s \in down /\ down' = {}
  /\ UNCHANGED <<route, homes, served, stores, told, co, hp, rt, bars, left>>

---------------------------------------------------------------------------- \* spec
CoordStep(k) == \/ \E t \in Txn : Begin(k, t)
                \/ Crash(k) \/ Decide(k) \/ Help(k) \/ Tell(k) \/ Refresh(k)
                \/ Apply(k) \/ Clear(k) \/ GiveUp(k)
                \/ \E s \in Site : Replicate(k, s)
Settle == (\E s \in Site, t \in Txn : Close(s, t)) \/ (\E b \in bars : ClearLate(b))
HelperStep(p) == \/ HelpTakeover(p) \/ HelperDies(p) \/ StartAgain(p) \/ SkipFence(p) \/ Serve(p)
                 \/ \E s \in Site : \/ \E g \in Copies : Fence(p, s, g)
                                    \/ Collect(p, s)
                                    \/ \E t \in Txn : Adopt(p, s, t)
ReturnerStep(p) == \/ \E s \in Site : BeginReturn(p, s) \/ Return(p, s)
                   \/ ReturnerDies(p) \/ Look(p) \/ PrepareJoin(p) \/ JoinStart(p) \/ JoinEnd(p)
                   \/ \E g \in Copies : FenceSelf(p, g) \/ Raise(p, g)
                   \/ rt[p].st = "clean" /\ \E a \in rt[p].alone : Overrule(p, a)
                   \/ \E t \in Txn : (rt[p].st = "clean" /\ DropRest(p, t)) \/ Copy(p, t)
RouteStep == \E s \in Site : \/ Shrink(s) \/ Takeover(s, FALSE) \/ Takeover(s, TRUE)
                             \/ Lose(s) \/ Recover(s)
Next == \/ \E k \in Coord : CoordStep(k)
        \/ Settle
        \/ \E p \in Helper : HelperStep(p)
        \/ \E p \in Returner : ReturnerStep(p)
        \/ RouteStep
        \/ \E g \in Copies : Open(g)
Spec == Init /\ [][Next]_vars

-------------------------------------------------------------------- \* invariants
\* I1, I2, I4, I6: what is on any stream of any site (so what anybody may have read)
\* is that very decision in the log of every in-sync site, for ever.
I1 == \A o \in out : \A u \in route.insync : log[u][o[1]] = o[2]
\* I3, I6: what was acknowledged is in every in-sync log, for ever.
I3 == \A a \in acked : \A u \in route.insync : log[u][a[1]] = a[2]
\* I6: one outcome, ever.
I6 == \A a, b \in acked \cup out : a[1] = b[1] => a[2] = b[2]
\* I9: at in-sync sites no gap, no fork, and the version item is that of the log.
I9 == \A s \in route.insync :
        /\ ver[s] = VerOf(log[s])
        /\ \A t, u \in Versioned : (t # u /\ Isv(t, log[s][t]) /\ Isv(u, log[s][u]))
                                      => log[s][t].v # log[s][u].v
        /\ \A i \in 1..ver[s] : \E t \in Versioned : Isv(t, log[s][t]) /\ log[s][t].v = i
\* I6, I11: an in-sync follower holds nothing that the serving home does not hold:
\* what was overruled is gone everywhere, logs never disagree.
I11 == route.serving => \A s \in route.insync, t \in Txn :
         log[s][t].st # "none" => log[s][t] = log[route.home][t]
\* An entry in sync is whole: nobody took its chunks away.
Whole == \A s \in route.insync, t \in Txn : log[s][t].st # "none" => t \in body[s]
\* The same seen from outside only (what a client or reader can notice): used to show
\* that a removed rule does harm and not merely breaks a stricter invariant.
Harm == route.serving => \A o \in out \cup acked : log[route.home][o[1]] = o[2]
\* I5 holds by the compare-and-set: homes is a function of the term.

---------------------------------------------------------------------- \* liveness
\* Every site goes on with what it has begun, sweeps, watches, and returns; clients do
\* not.  A silent follower is left, a silent home is taken over from.
Sweeps(k) == \E t \in Txn : pend[route.home][t] # 0 /\ Begin(k, t)
Fair ==
  /\ \A k \in Coord : WF_vars(Sweeps(k)) /\ WF_vars(Decide(k) \/ Help(k) \/ Tell(k) \/ GiveUp(k))
                      /\ WF_vars(Refresh(k)) /\ WF_vars(Apply(k)) /\ WF_vars(Clear(k))
                      /\ \A s \in Site : WF_vars(Replicate(k, s))
  /\ WF_vars(Settle)
  /\ \A p \in Helper : WF_vars(HelpTakeover(p) \/ StartAgain(p) \/ Serve(p)
        \/ \E s \in Site : Collect(p, s) \/ (\E g \in Copies : Fence(p, s, g)) \/ \E t \in Txn : Adopt(p, s, t))
  /\ \A p \in Returner : WF_vars(ReturnerStep(p))
  /\ \A g \in Copies : WF_vars(Open(g))
  /\ \A s \in Site : WF_vars(~Up(s) /\ Shrink(s)) /\ WF_vars(~Up(route.home) /\ Takeover(s, FALSE))
FairSpec == Spec /\ Fair

Reachable == \E s \in route.insync \cup (IF route.serving THEN {} ELSE route.deposed) : Up(s)
\* A takeover ends, whichever one site is lost at whatever moment.
TakeoverEnds == ~route.serving ~> (route.serving \/ ~Reachable)
\* A lost home is replaced, where a site in sync is left.
HomeIsReplaced == (~Up(route.home) /\ Reachable) ~> (Up(route.home) \/ ~Reachable)
\* I7: what is decided is applied everywhere in sync, and its mark goes.
Applied == \A t \in Txn : (pend[route.home][t] # 0) ~> (pend[route.home][t] = 0 \/ ~Reachable)
\* Followers' marks go as well.
Settled == \A s \in Site, t \in Txn : (pend[s][t] # 0) ~> (pend[s][t] = 0 \/ down # {})
\* Once nobody is lost any more, all sites are in sync again.
AllReturn == <>[](down = {}) => []<>(route.insync = Site)

Sym == Permutations(Coord) \cup Permutations(Site \ {First})
SymK == Permutations(Coord)
SymAll == Permutations(Coord) \cup Permutations(Helper) \cup Permutations(Returner) \cup Permutations(Site \ {First})
=============================================================================
