------------------------------- MODULE Parted -------------------------------
(* Histories that part, again and again: unclean takeovers, each by a site that goes on
   from what it knows.  What was closed counts only as far as the history goes on from
   it: for the copy of a site that returns, for what a new home says that it knows, and
   for readers.

   A decision reaches every follower in sync in one step (Lockstep.tla), and what only a
   returning site has is dropped (Unclean.tla has what becomes of it).  A home that was
   deposed goes on with the followers that it had, until they are fenced. *)
EXTENDS Naturals, Sequences, FiniteSets
CONSTANTS Site, First, MaxTerm, PerTerm, Reads, Off
VARIABLES terms,   \* of every term: [home, insync, unclean, known]
          guard,   \* site -> term to which it is fenced
          log,     \* site -> set of decisions, each its timestamp <<term, n>>
          closed,  \* site -> how far its streams are closed
          rc, got  \* a reader: its checkpoint, and what it has met
vars == <<terms, guard, log, closed, rc, got>>
Rule(x) == x \notin Off
Never == <<0, 0>>
Nowhere == <<MaxTerm + 1, 0>>
Less(a, b) == a[1] < b[1] \/ (a[1] = b[1] /\ a[2] < b[2])
Min(a, b) == IF Less(b, a) THEN b ELSE a
Newest == Len(terms)
Now == terms[Newest]

\* Up to where the history of an earlier term is that of the newest one (Nowhere: all of
\* it).  Each unclean takeover between them went on from what its home knew; that may have
\* been from before other unclean takeovers: then these lie between, too.
RECURSIVE Walk(_, _, _)
Walk(i, earlier, parted) ==
  IF i = 0 THEN parted
  ELSE LET t == terms[i]
           between == i > earlier \/ (Rule("allBetween") /\ parted # Nowhere /\ i > parted[1]) IN
       Walk(i - 1, earlier, IF t.unclean /\ between THEN Min(parted, t.known) ELSE parted)
PartedAt(earlier) == Walk(Newest, earlier, Nowhere)
\* What is left of a closed timestamp.
Still(c) == Min(c, PartedAt(c[1]))

\* From where on a reader has missed what stands now: its history is not the one from
\* which the newest one goes on.  A forced home goes on from the last term of which it was
\* home, or has closed something, or from the first.
Max(S) == CHOOSE i \in S : \A j \in S : j <= i
LastOf(i) == Max({1, terms[i].known[1]} \cup {j \in 1..(i - 1) : terms[j].home = terms[i].home})
RECURSIVE GoesOnFrom(_, _)
GoesOnFrom(last, earlier) ==
  LET S == {i \in 1..last : terms[i].unclean} IN
  IF S = {} \/ earlier >= Max(S \cup {0}) THEN TRUE
  ELSE earlier <= LastOf(Max(S)) /\ GoesOnFrom(LastOf(Max(S)), earlier)
Missed == IF GoesOnFrom(Newest, rc[1]) THEN Nowhere ELSE PartedAt(rc[1])
From == IF Rule("gapTold") THEN Min(rc, Missed) ELSE rc

Init ==
  /\ terms = <<[home |-> First, insync |-> Site, unclean |-> FALSE, known |-> Never]>>
  /\ guard = [s \in Site |-> 1] /\ log = [s \in Site |-> {}]
  /\ closed = [s \in Site |-> Never] /\ rc = Never /\ got = {}

\* Of a term: it decides as long as nobody that it has to ask is fenced.
Lives(t) == \A s \in terms[t].insync : guard[s] = t
Given(t) == Cardinality({d \in log[terms[t].home] : d[1] = t})

Decide(t) ==
  /\ Lives(t) /\ Given(t) < PerTerm
  /\ log' = [s \in Site |-> IF s \in terms[t].insync THEN log[s] \cup {<<t, Given(t) + 1>>} ELSE log[s]]
  /\ UNCHANGED <<terms, guard, closed, rc, got>>

Close(t, s) ==   \* all that was decided, of this term and before; where nothing was, nothing changes
  /\ s \in terms[t].insync /\ guard[s] = t /\ guard[terms[t].home] = t
  /\ Given(t) > 0 /\ Less(closed[s], <<t, Given(t)>>)
  /\ closed' = [closed EXCEPT ![s] = <<t, Given(t)>>]
  /\ UNCHANGED <<terms, guard, log, rc, got>>

Shrink(s) ==
  /\ s \in Now.insync \ {Now.home}
  /\ terms' = [terms EXCEPT ![Newest].insync = @ \ {s}]
  /\ UNCHANGED <<guard, log, closed, rc, got>>

Begins(y, sites, unclean, known) ==
  /\ Newest < MaxTerm /\ y # Now.home
  /\ terms' = Append(terms, [home |-> y, insync |-> sites, unclean |-> unclean, known |-> known])
  /\ guard' = [s \in Site |-> IF s \in sites THEN Newest + 1 ELSE guard[s]]
  /\ UNCHANGED <<log, closed, rc, got>>

Takeover(y) == y \in Now.insync /\ Begins(y, Now.insync \ {Now.home}, FALSE, Never)
\* It had everything at or below what it says that it knows.
Force(y) == Begins(y, {y}, TRUE, IF Rule("allBetween") THEN Still(closed[y]) ELSE closed[y])

Return(s) ==     \* what only it has goes; what it lacks is copied, from what was closed
  /\ s \notin Now.insync
  /\ LET from == IF Rule("stillClosed") THEN Still(closed[s]) ELSE closed[s]
         home == log[Now.home] IN
     log' = [log EXCEPT ![s] = (@ \cap home) \cup {d \in home : Less(from, d)}]
  /\ guard' = [guard EXCEPT ![s] = Newest]
  /\ terms' = [terms EXCEPT ![Newest].insync = @ \cup {s}]
  /\ UNCHANGED <<closed, rc, got>>

\* At any site, one that was deposed and does not know it among them: all that is closed
\* there, above the checkpoint.  A gap is told; the reader may go on from there.
Read(s) ==
  /\ LET c == Still(closed[s]) IN
     /\ Reads /\ Less(From, c)
     /\ got' = got \cup {d \in log[s] : Less(From, d) /\ ~Less(c, d)}
     /\ rc' = c
  /\ UNCHANGED <<terms, guard, log, closed>>

Next ==
  \/ \E t \in 1..Newest : Decide(t) \/ \E s \in Site : Close(t, s)
  \/ \E s \in Site : Shrink(s) \/ Takeover(s) \/ Force(s) \/ Return(s) \/ Read(s)
Spec == Init /\ [][Next]_vars

-------------------------------------------------------------------- \* invariants
\* In sync: the same history.
Level == \A s \in Now.insync : log[s] = log[Now.home]
\* As far as something counts as closed at a site, it has what stands now.
Counts == \A s \in Site, d \in log[Now.home] : ~Less(Still(closed[s]), d) => d \in log[s]
\* What stands below a reader's checkpoint, it has met, or it is told a gap from before it.
NoGap == \A d \in log[Now.home] : ~Less(From, d) => d \in got
=============================================================================
