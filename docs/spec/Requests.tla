------------------------------ MODULE Requests ------------------------------
(* One commit of a client that asks once: passed on to home, perhaps to one home after the
   other, and refused.  A definite refusal (VersionConflict, NotEnoughReplicas) says that
   it is not committed: the client decides anew, under another id.

   What is refused is anything that is not decided: versions and the number of sites in
   sync change at any time.  Fences, adoption and return are one step each: Lockstep.tla
   has what happens within them.  A write at home may land at any time after it was sent. *)
EXTENDS Naturals, FiniteSets
CONSTANTS Site, First, MaxTerm, Off
VARIABLES term, homes, insync,
          guard,   \* site -> term to which it is fenced
          dec,     \* site -> term in which the commit was decided, as its log says; 0 = not
          known,   \* site -> term of the route that it knows
          entry,   \* where the client asked: [st, site, tried, now]
          copies,  \* the request, wherever it is: [at, term, st, sent]
          late     \* decisions on their way into home's tables: [at, term]
vars == <<term, homes, insync, guard, dec, known, entry, copies, late>>
Rule(x) == x \notin Off
Home == homes[term]

Init ==
  /\ term = 1 /\ homes = [t \in 1..MaxTerm |-> First] /\ insync = Site
  /\ guard = [s \in Site |-> 1] /\ dec = [s \in Site |-> 0] /\ known = [s \in Site |-> 1]
  /\ entry = [st |-> "idle", site |-> First, tried |-> {}, now |-> 0]
  /\ copies = {} /\ late = {}

Enter(s) ==
  /\ entry.st = "idle" /\ entry' = [entry EXCEPT !.st = "waits", !.site = s]
  /\ UNCHANGED <<term, homes, insync, guard, dec, known, copies, late>>

Learn(s) ==
  /\ known[s] < term /\ known' = [known EXCEPT ![s] = term]
  /\ UNCHANGED <<term, homes, insync, guard, dec, entry, copies, late>>

Try ==       \* at whom it takes for home, itself perhaps; once in each term
  /\ entry.st = "waits"
  /\ LET t == known[entry.site] IN
     /\ Rule("oncePerTerm") => t \notin entry.tried
     /\ copies' = copies \cup {[at |-> homes[t], term |-> t, st |-> "new", sent |-> FALSE]}
     /\ entry' = [entry EXCEPT !.tried = @ \cup {t}, !.now = t]
  /\ UNCHANGED <<term, homes, insync, guard, dec, known, late>>

To(c, d) == copies' = (copies \ {c}) \cup {d}
Receive(c) ==   \* answered as home of that term, or not at all
  /\ c.st = "new" /\ known[c.at] >= c.term
  /\ LET t == known[c.at] IN
     IF t = c.term THEN To(c, [c EXCEPT !.st = "decide"])
     ELSE IF Rule("passedTerm") THEN copies' = copies \ {c}
     ELSE To(c, [c EXCEPT !.at = homes[t], !.term = t])
  /\ UNCHANGED <<term, homes, insync, guard, dec, known, entry, late>>

Dies(c) ==
  /\ copies' = copies \ {c}
  /\ UNCHANGED <<term, homes, insync, guard, dec, known, entry, late>>

\* It may have slept since it was received: it is decided in the term in which it was asked for.
MayGoOn(c) == /\ c.st = "decide" /\ homes[known[c.at]] = c.at
              /\ Rule("proposalTerm") => known[c.at] = c.term

Send(c) ==
  /\ MayGoOn(c) /\ dec[c.at] = 0
  /\ late' = late \cup {[at |-> c.at, term |-> known[c.at]]}
  /\ To(c, [c EXCEPT !.sent = TRUE])
  /\ UNCHANGED <<term, homes, insync, guard, dec, known, entry>>

Land(w) ==
  /\ late' = late \ {w}
  /\ dec' = IF guard[w.at] = w.term /\ dec[w.at] = 0 THEN [dec EXCEPT ![w.at] = w.term] ELSE dec
  /\ UNCHANGED <<term, homes, insync, guard, known, entry, copies>>

Refuse(c) ==    \* what is decided is told; what may still land is not: within a
                \* term versions only rise, and no site is left below the least number in sync
  /\ MayGoOn(c)
  /\ Rule("identityFirst") => dec[c.at] = 0
  /\ Rule("noWayBack") => ~c.sent
  /\ To(c, [c EXCEPT !.st = "refused", !.term = known[c.at]])
  /\ UNCHANGED <<term, homes, insync, guard, dec, known, entry, late>>

Answer(c) ==    \* confirmed by the route; whoever has turned to another home hears nothing
  /\ c.st = "refused"
  /\ entry' = IF c.term = term /\ entry.st = "waits" /\ entry.now = c.term
              THEN [entry EXCEPT !.st = "refused"] ELSE entry
  /\ copies' = copies \ {c}
  /\ UNCHANGED <<term, homes, insync, guard, dec, known, late>>

Replicate(s, y) ==
  /\ dec[s] # 0 /\ homes[dec[s]] = s /\ dec[y] = 0 /\ guard[y] = dec[s]
  /\ dec' = [dec EXCEPT ![y] = dec[s]]
  /\ UNCHANGED <<term, homes, insync, guard, known, entry, copies, late>>

Takeover(y, keep) ==   \* keep: a planned move
  /\ term < MaxTerm /\ y \in insync \ {Home}
  /\ term' = term + 1 /\ homes' = [homes EXCEPT ![term + 1] = y]
  /\ insync' = IF keep THEN insync ELSE insync \ {Home}
  /\ guard' = [s \in Site |-> IF s \in insync' THEN term + 1 ELSE guard[s]]
  /\ LET have == {s \in insync' : dec[s] # 0} IN
     dec' = [s \in Site |-> IF s \in insync' /\ have # {} THEN dec[CHOOSE u \in have : TRUE] ELSE dec[s]]
  /\ UNCHANGED <<known, entry, copies, late>>

Return(s) ==    \* fences itself, cleans itself, copies
  /\ s \notin insync
  /\ insync' = insync \cup {s} /\ guard' = [guard EXCEPT ![s] = term]
  /\ dec' = [dec EXCEPT ![s] = dec[Home]]
  /\ UNCHANGED <<term, homes, known, entry, copies, late>>

Next ==
  \/ Try
  \/ \E s \in Site : \/ Enter(s) \/ Learn(s) \/ Return(s)
                     \/ \E y \in Site : Replicate(s, y)
                     \/ \E keep \in BOOLEAN : Takeover(s, keep)
  \/ \E c \in copies : Receive(c) \/ Dies(c) \/ Send(c) \/ Refuse(c) \/ Answer(c)
  \/ \E w \in late : Land(w)
Spec == Init /\ [][Next]_vars

-------------------------------------------------------------------- \* invariants
\* What was refused is not committed, and never will be.
Refused == entry.st = "refused" => dec[Home] = 0
=============================================================================
