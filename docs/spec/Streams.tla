------------------------------- MODULE Streams -------------------------------
(* Streams and their replicas: `active` away from home, replicas that do not take their
   records, backlogs, switchovers in the failing request, followers that put later,
   bars and closed timestamps per replica, the loss of a site.

   That every log in sync has a decision before anything is put is Lockstep.tla's; here
   a transaction begins logged, with a mark at each site in sync.  Transaction n has the
   timestamp n, and one part on every stream. *)
EXTENDS Naturals, FiniteSets
CONSTANTS Site, First, Stream, Txn, MaxTerm,
          Off
VARIABLES home, insync, term, active,
          logged,   \* decided and in every log in sync
          mark,     \* site -> txns with a mark
          on,       \* <<site, stream>> -> txns on the replica
          wait,     \* <<site, stream>> -> txns in its backlog
          sick,     \* replicas that take nothing just now
          pc,       \* txn -> its coordinator
          acked,
          bar,      \* txns at or below it are applied: what followers are told
          closed    \* <<site, stream>> -> closed timestamp
vars == <<home, insync, term, active, logged, mark, on, wait, sick, pc, acked, bar, closed>>

Rule(x) == x \notin Off
Replica == Site \X Stream
Idle == [st |-> "idle"]
Level(r) == wait[r] = {} /\ r \notin sick

Init ==
  /\ home = First /\ insync = Site /\ term = 1
  /\ active = [a \in Stream |-> First]
  /\ logged = {} /\ mark = [s \in Site |-> {}]
  /\ on = [r \in Replica |-> {}] /\ wait = [r \in Replica |-> {}]
  /\ sick = {} /\ pc = [t \in Txn |-> Idle] /\ acked = {} /\ bar = 0
  /\ closed = [r \in Replica |-> 0]

Decide(t) ==   \* in the order of their timestamps, above the bar
  /\ t \notin logged /\ t > bar /\ \A u \in Txn : u < t => u \in logged
  /\ logged' = logged \cup {t}
  /\ mark' = [s \in Site |-> IF s \in insync THEN mark[s] \cup {t} ELSE mark[s]]
  /\ UNCHANGED <<home, insync, term, active, on, wait, sick, pc, acked, bar, closed>>

Begin(t) ==    \* its coordinator, or anyone who finishes it; it knows the route of now
  /\ t \in logged /\ t \in mark[home] /\ pc[t].st = "idle"
  /\ pc' = [pc EXCEPT ![t] = [st |-> "put", term |-> term, home |-> home, to |-> insync,
                              active |-> active, behind |-> {}, asked |-> {}]]
  /\ UNCHANGED <<home, insync, term, active, logged, mark, on, wait, sick, acked, bar, closed>>

Crash(t) ==
  /\ pc[t].st # "idle" /\ pc' = [pc EXCEPT ![t] = Idle]
  /\ UNCHANGED <<home, insync, term, active, logged, mark, on, wait, sick, acked, bar, closed>>

\* At one site, on all of its replicas: onto the stream, or behind its backlog.
PutHere(s, T) ==
  /\ on' = [r \in Replica |-> IF r[1] = s /\ Level(r) THEN on[r] \cup T ELSE on[r]]
  /\ wait' = [r \in Replica |-> IF r[1] = s /\ ~Level(r) /\ Rule("backlog")
                                THEN wait[r] \cup (T \ on[r]) ELSE wait[r]]

Put(t, s) ==
  /\ pc[t].st = "put" /\ s \in pc[t].to \ pc[t].asked
  /\ PutHere(s, {t})
  /\ pc' = [pc EXCEPT ![t].asked = @ \cup {s},
                      ![t].behind = @ \cup {r \in Replica : r[1] = s /\ ~Level(r)}]
  /\ UNCHANGED <<home, insync, term, active, logged, mark, sick, acked, bar, closed>>

\* Home's own replicas, and those that readers look at, are waited for.  An only follower
\* puts in the very call in which it takes the decision.
Awaited(c) == IF Cardinality(c.to) <= 2 THEN c.to
              ELSE {c.home} \cup {c.active[a] : a \in Stream}

KeepActive(t, a, to) ==   \* the failing request moves the stream, by compare-and-set
  /\ pc[t].st = "put" /\ Awaited(pc[t]) \cap pc[t].to \subseteq pc[t].asked
  /\ <<pc[t].active[a], a>> \in pc[t].behind
  /\ to \in insync /\ to \in pc[t].asked /\ <<to, a>> \notin pc[t].behind
  /\ active' = [active EXCEPT ![a] = IF @ = pc[t].active[a] /\ pc[t].term = term THEN to ELSE @]
  /\ pc' = [pc EXCEPT ![t].active[a] = active'[a]]
  /\ UNCHANGED <<home, insync, term, logged, mark, on, wait, sick, acked, bar, closed>>

Ack(t) ==
  /\ pc[t].st = "put"
  /\ Rule("waitsForActive") => Awaited(pc[t]) \cap pc[t].to \subseteq pc[t].asked
  /\ Rule("keepActive") => \A a \in Stream : <<pc[t].active[a], a>> \notin pc[t].behind
  /\ acked' = acked \cup {t}
  /\ pc' = [pc EXCEPT ![t] = Idle]
  /\ mark' = [mark EXCEPT ![pc[t].home] = @ \ {t}]
  /\ UNCHANGED <<home, insync, term, active, logged, on, wait, sick, bar, closed>>

Drain(r, t) ==  \* the applier, in order
  /\ r \notin sick /\ t \in wait[r] /\ \A u \in wait[r] : t <= u
  /\ on' = [on EXCEPT ![r] = @ \cup {t}] /\ wait' = [wait EXCEPT ![r] = @ \ {t}]
  /\ UNCHANGED <<home, insync, term, active, logged, mark, sick, pc, acked, bar, closed>>

Move(a, s) ==   \* an operator, or a reader whose read failed: to a level replica only
  /\ s \in insync /\ s # active[a]
  /\ Rule("levelOnly") => Level(<<s, a>>)
  /\ active' = [active EXCEPT ![a] = s]
  /\ UNCHANGED <<home, insync, term, logged, mark, on, wait, sick, pc, acked, bar, closed>>

Fail(r) == /\ sick = {} /\ sick' = {r}
           /\ UNCHANGED <<home, insync, term, active, logged, mark, on, wait, pc, acked, bar, closed>>
Heal == /\ sick # {} /\ sick' = {}
        /\ UNCHANGED <<home, insync, term, active, logged, mark, on, wait, pc, acked, bar, closed>>

Bar(b) ==       \* raised over what is decided; everything at or below it is applied
  /\ b > bar /\ \A t \in Txn : t <= b => t \in logged /\ t \notin mark[home]
  /\ bar' = b
  /\ UNCHANGED <<home, insync, term, active, logged, mark, on, wait, sick, pc, acked, closed>>

Told(s) ==      \* a follower puts what it has not, then its marks go
  /\ s \in insync \ {home} /\ \E t \in mark[s] : t <= bar
  /\ LET T == {t \in mark[s] : t <= bar} IN
     /\ IF Rule("putThenClear") THEN PutHere(s, T) ELSE UNCHANGED <<on, wait>>
     /\ mark' = [mark EXCEPT ![s] = @ \ T]
  /\ UNCHANGED <<home, insync, term, active, logged, sick, pc, acked, bar, closed>>

CloseStream(r) ==
  /\ r[1] \in insync /\ closed[r] < bar
  /\ Rule("marksFirst") => \A t \in mark[r[1]] : t > bar
  /\ Rule("closedBacklog") => \A t \in wait[r] : t > bar
  /\ closed' = [closed EXCEPT ![r] = bar]
  /\ UNCHANGED <<home, insync, term, active, logged, mark, on, wait, sick, pc, acked, bar>>

ActiveFrom(s, y) == [a \in Stream |-> IF active[a] = s THEN y ELSE active[a]]
Shrink(s) ==
  /\ s \in insync \ {home}
  /\ insync' = insync \ {s}
  /\ active' = IF Rule("activeMoves") THEN ActiveFrom(s, home) ELSE active
  /\ UNCHANGED <<home, term, logged, mark, on, wait, sick, pc, acked, bar, closed>>

Takeover(y) ==  \* all that is pending anywhere is adopted
  /\ term < MaxTerm /\ y \in insync \ {home}
  /\ home' = y /\ term' = term + 1 /\ insync' = insync \ {home}
  /\ active' = IF Rule("activeMoves") THEN ActiveFrom(home, y) ELSE active
  /\ LET T == UNION {mark[s] : s \in insync'} IN
     mark' = [s \in Site |-> IF s \in insync' THEN mark[s] \cup T ELSE mark[s]]
  /\ UNCHANGED <<logged, on, wait, sick, pc, acked, bar, closed>>

Next ==
  \/ \E t \in Txn : \/ Decide(t) \/ Begin(t) \/ Crash(t) \/ Ack(t)
                    \/ \E s \in Site : Put(t, s) \/ \E a \in Stream : KeepActive(t, a, s)
                    \/ \E r \in Replica : Drain(r, t)
                    \/ Bar(t)
  \/ \E s \in Site : Told(s) \/ Shrink(s) \/ Takeover(s) \/ \E a \in Stream : Move(a, s)
  \/ \E r \in Replica : Fail(r) \/ CloseStream(r)
  \/ Heal
Spec == Init /\ [][Next]_vars

-------------------------------------------------------------------- \* invariants
\* I2, I3: what was told, or is out on any replica, is on every active replica, or in its
\* backlog, or its site still has the mark that will bring it there.
Kept == \A t \in acked \cup UNION {on[r] : r \in Replica}, a \in Stream :
  LET r == <<active[a], a>> IN t \in on[r] \cup wait[r] \cup mark[active[a]]
\* I3 with two sites: what was told is on the active replica or in its backlog.
AtOnce == \A t \in acked, a \in Stream :
  LET r == <<active[a], a>> IN t \in on[r] \cup wait[r] \/ t \in mark[home]
\* Readers look where a site is in sync.
InSync == \A a \in Stream : active[a] \in insync
\* A closed timestamp: everything at or below it is on the replica.
ClosedIsOn == \A r \in Replica : \A t \in Txn : t <= closed[r] => t \in on[r]
=============================================================================
