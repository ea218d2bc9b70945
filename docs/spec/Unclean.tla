------------------------------- MODULE Unclean -------------------------------
(* The unclean takeover and the return after it.  X was the only site in sync, is lost,
   and an operator forces home to Y, which lacks some of what X decided and told.  Both
   histories go on to be one: what X alone has is decided anew by home (taken over), or
   loses a conflict that is recorded; then it is overruled at X, newest first, and X
   joins.  A resolution may crash after any step and is begun again.

   Time is the order of decisions: at = <<term, clock>>, with one clock for both sites,
   so that last write wins is by the clock.  Every transaction changes one key. *)
EXTENDS Naturals, FiniteSets
CONSTANTS Txn, Key, KeyOf,   \* KeyOf: txn -> key
          MaxClock, Off
VARIABLES phase,     \* "one": X is home; "two": Y is; "joined": X is back
          clock,
          log,       \* site -> txn -> [at, v, from] (at = <<0,0>>: none)
          ver,       \* site -> key -> last version
          acked,     \* [t, at]: told to a client
          alive,     \* X still decides, though Y is home (it does not know)
          rs,        \* the resolution under way
          conflicts, \* recorded: [k, a, b]: sets of the two decisions
          resolved   \* the note that the unclean term is done
vars == <<phase, clock, log, ver, acked, alive, rs, conflicts, resolved>>

Rule(x) == x \notin Off
Zero == <<0, 0>>
None == [at |-> Zero, v |-> 0, from |-> Zero]
Has(s, t) == log[s][t] # None
Before(a, b) == a[1] < b[1] \/ (a[1] = b[1] /\ a[2] < b[2])
Idle == [st |-> "idle"]

Init ==
  /\ phase = "one" /\ clock = 0
  /\ log = [s \in {"X", "Y"} |-> [t \in Txn |-> None]]
  /\ ver = [s \in {"X", "Y"} |-> [k \in Key |-> 0]]
  /\ acked = {} /\ alive = TRUE /\ rs = Idle /\ conflicts = {} /\ resolved = FALSE

DecideAt(s, term, t, from) ==
  /\ clock < MaxClock /\ clock' = clock + 1
  /\ LET e == [at |-> <<term, clock + 1>>, v |-> ver[s][KeyOf[t]] + 1, from |-> from] IN
     /\ log' = [log EXCEPT ![s][t] = e]
     /\ ver' = [ver EXCEPT ![s][KeyOf[t]] = e.v]
     /\ acked' = acked \cup {[t |-> t, at |-> e.at]}

Both(t) ==    \* while X is home: Y got it before it was left
  /\ phase = "one" /\ ~Has("X", t) /\ \A u \in Txn : Has("X", u) => Has("Y", u)
  /\ clock < MaxClock /\ clock' = clock + 1
  /\ LET e == [at |-> <<1, clock + 1>>, v |-> ver["X"][KeyOf[t]] + 1, from |-> Zero] IN
     /\ log' = [s \in {"X", "Y"} |-> [log[s] EXCEPT ![t] = e]]
     /\ ver' = [s \in {"X", "Y"} |-> [ver[s] EXCEPT ![KeyOf[t]] = e.v]]
     /\ acked' = acked \cup {[t |-> t, at |-> e.at]}
  /\ UNCHANGED <<phase, alive, rs, conflicts, resolved>>

Alone(t) ==   \* X by itself; also as a zombie, until its return fences it
  /\ alive /\ ~Has("X", t) /\ phase # "joined"
  /\ DecideAt("X", 1, t, Zero)
  /\ UNCHANGED <<phase, alive, rs, conflicts, resolved>>

Force == /\ phase = "one" /\ phase' = "two"
         /\ UNCHANGED <<clock, log, ver, acked, alive, rs, conflicts, resolved>>

Home(t) ==    \* a client, or a retry with an id that X decided as well
  /\ phase = "two" /\ ~Has("Y", t)
  /\ DecideAt("Y", 2, t, Zero)
  /\ UNCHANGED <<phase, alive, rs, conflicts, resolved>>

\* The return: fenced, X compares.  What home took over is not home's own change.
IsTheirs(t) == /\ Has("Y", t) /\ log["Y"][t] # log["X"][t]
               /\ Rule("takenIsOurs") => log["Y"][t].from = Zero
Last(k) == LET S == {t \in Txn : IsTheirs(t) /\ KeyOf[t] = k} IN
  IF S = {} THEN 0 ELSE CHOOSE t \in S : \A u \in S : ~Before(log["Y"][t].at, log["Y"][u].at)

Compare ==
  /\ phase = "two" /\ ~resolved /\ rs.st = "idle" /\ alive' = FALSE
  /\ rs' = [st |-> "settle",
            alone |-> {t \in Txn : Has("X", t) /\ log["X"][t] # log["Y"][t] /\ log["X"][t].at[1] < 2},
            todo |-> {t \in Txn : Has("X", t) /\ log["X"][t] # log["Y"][t] /\ log["X"][t].at[1] < 2},
            theirs |-> [k \in Key |-> IF Last(k) = 0 THEN [t |-> 0, at |-> Zero]
                                      ELSE [t |-> Last(k), at |-> log["Y"][Last(k)].at]]]
  /\ UNCHANGED <<phase, clock, log, ver, acked, conflicts, resolved>>

Crash == /\ rs.st # "idle" /\ rs' = Idle
         /\ UNCHANGED <<phase, clock, log, ver, acked, alive, conflicts, resolved>>

Oldest(S) == CHOOSE t \in S : \A u \in S : ~Before(log["X"][u].at, log["X"][t].at)
Newest(S) == CHOOSE t \in S : \A u \in S : ~Before(log["X"][t].at, log["X"][u].at)

Settle ==     \* oldest first: taken over, or a conflict by the last write
  /\ rs.st = "settle" /\ rs.todo # {}
  /\ LET t == Oldest(rs.todo)  e == log["X"][t]  o == rs.theirs[KeyOf[t]]
         clash == o.t # 0 /\ o.t # t
         wins == ~clash \/ o.at[2] < e.at[2] IN
     /\ conflicts' = IF clash THEN conflicts \cup {[k |-> KeyOf[t], a |-> [t |-> t, at |-> e.at],
                                                    b |-> o, wins |-> wins]} ELSE conflicts
     /\ IF wins /\ ~Has("Y", t) THEN DecideAt("Y", 2, t, e.at)
        ELSE UNCHANGED <<clock, log, ver, acked>>
     /\ rs' = [rs EXCEPT !.todo = @ \ {t}]
  /\ UNCHANGED <<phase, alive, resolved>>

Overrule ==   \* newest first
  /\ rs.st = "settle" /\ rs.todo = {} /\ rs.alone # {}
  /\ LET t == IF Rule("newestFirst") THEN Newest(rs.alone) ELSE Oldest(rs.alone)  k == KeyOf[t] IN
     /\ log' = [log EXCEPT !["X"][t] = None]
     /\ ver' = [ver EXCEPT !["X"][k] = log["X"][t].v - 1]
     /\ rs' = [rs EXCEPT !.alone = @ \ {t}]
  /\ UNCHANGED <<phase, clock, acked, alive, conflicts, resolved>>

Note ==
  /\ rs.st = "settle" /\ rs.todo = {} /\ rs.alone = {}
  /\ resolved' = TRUE /\ rs' = Idle
  /\ UNCHANGED <<phase, clock, log, ver, acked, alive, conflicts>>

Join ==       \* clean, copy, in sync: Lockstep.tla
  /\ phase = "two" /\ (resolved \/ ~Rule("resolveFirst")) /\ rs.st = "idle" /\ phase' = "joined" /\ alive' = FALSE
  /\ log' = [log EXCEPT !["X"] = [t \in Txn |-> IF Has("Y", t) THEN log["Y"][t]
               ELSE IF Rule("resolveFirst") THEN log["X"][t] ELSE None]]
  /\ ver' = [ver EXCEPT !["X"] = [k \in Key |-> IF ver["Y"][k] > @[k] THEN ver["Y"][k] ELSE @[k]]]
  /\ UNCHANGED <<clock, acked, rs, conflicts, resolved>>

Next == \/ Force \/ Compare \/ Crash \/ Settle \/ Overrule \/ Note \/ Join
        \/ \E t \in Txn : Both(t) \/ Alone(t) \/ Home(t)
Spec == Init /\ [][Next]_vars

-------------------------------------------------------------------- \* invariants
\* Never silent: once X is back, what was told stands, or was taken over, or was decided
\* anew under its id, or its conflict is recorded.
NeverSilent == phase = "joined" => \A a \in acked :
  \/ Has("Y", a.t)
  \/ \E c \in conflicts : c.a = a /\ ~c.wins
\* The histories are one again.
Converged == phase = "joined" => log["X"] = log["Y"] /\ ver["X"] = ver["Y"]
\* A conflict is between two histories, and is recorded once, whatever crashed.
Histories == \A c \in conflicts : log["Y"][c.b.t].from = Zero
Once == \A c, d \in conflicts : c.a = d.a => c = d
\* Both logs are without gap or fork, always.
Whole == \A s \in {"X", "Y"}, k \in Key :
  LET vs == {log[s][t].v : t \in {u \in Txn : Has(s, u) /\ KeyOf[u] = k}} IN
  (s = "X" => rs.st = "idle") => /\ vs = 1..ver[s][k]
     /\ Cardinality(vs) = Cardinality({u \in Txn : Has(s, u) /\ KeyOf[u] = k})
KeyMap == [t \in Txn |-> IF t = 3 THEN "m" ELSE "k"]
=============================================================================
