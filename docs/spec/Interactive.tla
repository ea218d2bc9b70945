---------------------------- MODULE Interactive ----------------------------
(* An interactive transaction, eager: staged at home and at every other site, racing
   writes with the same number, retries at another process or home, commit by digests,
   expiry; takeover, return with forgetting, join with a copy of the stagings.

   The fence, adopt and serve of a takeover are one step per site, or one for all: what
   may happen between them is Lockstep.tla's.  There is one transaction, begun at First.
   A write is a request of the client; it is repeated with the same id until answered. *)
EXTENDS Naturals, FiniteSets, TLC
CONSTANTS Site, First, Start0, Writes, Proc, MaxTerm, MaxEpoch, MaxNext, Off
VARIABLES route,   \* [term, epoch, home, insync, joining, serving]
          guard,   \* site -> [term, epoch, open]
          entry,   \* site -> [st, ev, term]; ev: the writes that were committed
          next,    \* site -> the number that the next event gets
          staged,  \* site -> set of [n, w, term]
          wr,      \* process -> the write that it is at
          cm,      \* the commit (or abort) that is under way
          jn,      \* site -> epoch of the joining whose copy is made, 0 = none
          ans,     \* writes that were answered
          names,   \* what the client's commit names; 0 = not sent yet
          told     \* outcomes told to the client
vars == <<route, guard, entry, next, staged, wr, cm, jn, ans, names, told>>

Rule(x) == x \notin Off
Idle == [st |-> "idle"]
Nothing == [st |-> "none", ev |-> {}, term |-> 0]
Opened == [st |-> "open", ev |-> {}, term |-> 0]
Decided(e) == e.st \in {"commit", "abort"}
Higher(a, b) == IF a > b THEN a ELSE b
View == [term |-> route.term, epoch |-> route.epoch, home |-> route.home,
         to |-> (route.insync \cup route.joining) \ {route.home}]
More == route.epoch < MaxEpoch

Init ==
  /\ route = [term |-> 1, epoch |-> 1, home |-> First, insync |-> Start0, joining |-> {},
              serving |-> TRUE]
  /\ guard = [s \in Site |-> [term |-> 1, epoch |-> IF s = First THEN 1 ELSE 0, open |-> s = First]]
  /\ entry = [s \in Site |-> IF s = First THEN Opened ELSE Nothing]
  /\ next = [s \in Site |-> 0]
  /\ staged = [s \in Site |-> {}]
  /\ wr = [p \in Proc |-> Idle] /\ cm = Idle
  /\ jn = [s \in Site |-> 0]
  /\ ans = {} /\ names = {0} /\ told = {}

Sent == names # {0}
MayWriteHome(r) == LET g == guard[r.home] IN
  /\ g.open /\ g.term = r.term
  /\ Rule("stagingGuard") => g.epoch <= r.epoch

-------------------------------------------------------------------- \* writing
\* Reads what stands at home: a request that is known keeps its number.
Write(p, w) ==
  /\ wr[p].st = "idle" /\ route.serving /\ entry[route.home].st = "open"
  /\ Sent => w \in names       \* the commit was answered EventsMissing
  /\ ~Sent => w \notin ans
  /\ LET h == route.home  known == {x \in staged[h] : x.w = w} IN
     \E x \in IF known # {} THEN known ELSE {[n |-> next[h], w |-> w, term |-> route.term]} :
       wr' = [wr EXCEPT ![p] = [st |-> "send", r |-> View, x |-> x, here |-> x \in known,
                                nx |-> IF x \in known THEN next[h] ELSE next[h] + 1, there |-> {}]]
  /\ next[route.home] < MaxNext
  /\ UNCHANGED <<route, guard, entry, next, staged, cm, jn, ans, names, told>>

\* The route that a process knows may be any that it read before: a retry at one that
\* has slept since before the event was staged.
OldRoute(p) ==
  /\ wr[p].st = "idle" /\ route.serving
  /\ wr' = [wr EXCEPT ![p] = [st |-> "knows", r |-> View]]
  /\ UNCHANGED <<route, guard, entry, next, staged, cm, jn, ans, names, told>>
WriteOld(p, w) ==
  /\ wr[p].st = "knows" /\ entry[wr[p].r.home].st = "open" /\ ~Sent /\ w \notin ans
  /\ LET r == wr[p].r  h == r.home  known == {x \in staged[h] : x.w = w} IN
     /\ next[h] < MaxNext
     /\ \E x \in IF known # {} THEN known ELSE {[n |-> next[h], w |-> w, term |-> r.term]} :
          wr' = [wr EXCEPT ![p] = [st |-> "send", r |-> r, x |-> x, here |-> x \in known /\ ~Rule("retryGuard"),
                                   nx |-> IF x \in known THEN next[h] ELSE next[h] + 1, there |-> {}]]
  /\ UNCHANGED <<route, guard, entry, next, staged, cm, jn, ans, names, told>>

Forget(p) ==   \* the process dies, or the request ends without an answer
  /\ wr[p].st # "idle" /\ wr' = [wr EXCEPT ![p] = Idle]
  /\ UNCHANGED <<route, guard, entry, next, staged, cm, jn, ans, names, told>>

\* A staged event's key is its number and its request; with the number alone a racing
\* write takes the other's place.
Put(set, x) == (IF Rule("racingKey") THEN set ELSE {y \in set : y.n # x.n}) \cup {x}

StageHome(p) ==
  /\ wr[p].st = "send" /\ ~wr[p].here
  /\ LET c == wr[p]  h == c.r.home IN
     /\ entry[h].st = "open" /\ MayWriteHome(c.r)
     /\ \/ c.x \notin staged[h] /\ next[h] = c.x.n
           /\ next' = [next EXCEPT ![h] = c.nx]
           /\ staged' = [staged EXCEPT ![h] = Put(@, c.x)]
        \/ c.x \in staged[h] /\ UNCHANGED <<next, staged>>  \* a retry: only the guard is checked
  /\ wr' = [wr EXCEPT ![p].here = TRUE]
  /\ UNCHANGED <<route, guard, entry, cm, jn, ans, names, told>>

StageAt(p, s) ==   \* at another site: late ones must not lower its next number
  /\ wr[p].st = "send"
  /\ LET c == wr[p] IN
     /\ s \in c.r.to \ c.there
     /\ Rule("stageTerm") => guard[s].term = c.r.term
     /\ IF Decided(entry[s]) THEN UNCHANGED <<entry, staged, next>>
        ELSE /\ entry' = [entry EXCEPT ![s] = Opened]
             /\ staged' = [staged EXCEPT ![s] = Put(@, c.x)]
             /\ next' = [next EXCEPT ![s] = IF Rule("numbersRise") THEN Higher(@, c.nx) ELSE c.nx]
  /\ wr' = [wr EXCEPT ![p].there = @ \cup {s}]
  /\ UNCHANGED <<route, guard, cm, jn, ans, names, told>>

\* The other sites are those of a newer route; what home's guard is asked stays.
RefreshWrite(p) ==
  /\ wr[p].st = "send" /\ route.term = wr[p].r.term /\ View.to # wr[p].r.to
  /\ wr' = [wr EXCEPT ![p].r.to = View.to]
  /\ UNCHANGED <<route, guard, entry, next, staged, cm, jn, ans, names, told>>

Answer(p) ==
  /\ wr[p].st = "send" /\ wr[p].here
  /\ Rule("eager") => wr[p].r.to \subseteq wr[p].there
  /\ ans' = ans \cup {wr[p].x.w}
  /\ wr' = [wr EXCEPT ![p] = Idle]
  /\ UNCHANGED <<route, guard, entry, next, staged, cm, jn, names, told>>

------------------------------------------------------------------- \* committing
Send ==     \* the client has its answers, or gives some writes up
  /\ ~Sent /\ ans # {} /\ names' = ans
  /\ UNCHANGED <<route, guard, entry, next, staged, wr, cm, jn, ans, told>>

\* What is staged and named; what this term's home answered must all be named.
Named(r) == {x.w : x \in staged[r.home]} \cap names
Left(r) == {x \in staged[r.home] : x.w \notin names /\ x.term = r.term}

Commit ==
  /\ Sent /\ cm.st = "idle" /\ route.serving /\ entry[route.home].st = "open"
  /\ Rule("namesAll") => Named(View) = names /\ Left(View) = {}
  /\ cm' = [st |-> "decide", r |-> View, n |-> next[route.home],
            ev |-> IF Rule("namesAll") THEN names ELSE {x.w : x \in staged[route.home]}]
  /\ UNCHANGED <<route, guard, entry, next, staged, wr, jn, ans, names, told>>

Expire ==
  /\ cm.st = "idle" /\ route.serving /\ entry[route.home].st = "open"
  /\ cm' = [st |-> "abort", r |-> View]
  /\ UNCHANGED <<route, guard, entry, next, staged, wr, jn, ans, names, told>>

\* Who finds it decided finishes it.  Retries with the same id end here as well.
Finish ==
  /\ cm.st = "idle" /\ route.serving /\ Decided(entry[route.home])
  /\ cm' = [st |-> "dec", r |-> View, e |-> entry[route.home], acks |-> {}]
  /\ UNCHANGED <<route, guard, entry, next, staged, wr, jn, ans, names, told>>

ForgetCommit ==
  /\ cm.st # "idle" /\ cm' = Idle
  /\ UNCHANGED <<route, guard, entry, next, staged, wr, jn, ans, names, told>>

Decide ==
  /\ cm.st \in {"decide", "abort"}
  /\ LET h == cm.r.home
         e == [st |-> IF cm.st = "decide" THEN "commit" ELSE "abort",
               ev |-> IF cm.st = "decide" THEN cm.ev ELSE {}, term |-> cm.r.term] IN
     /\ entry[h].st = "open" /\ MayWriteHome(cm.r)
     /\ (cm.st = "decide" /\ Rule("sameNext")) => next[h] = cm.n
     /\ entry' = [entry EXCEPT ![h] = e]
     /\ cm' = [st |-> "dec", r |-> cm.r, e |-> e, acks |-> {}]
  /\ UNCHANGED <<route, guard, next, staged, wr, jn, ans, names, told>>

Replicate(s) ==   \* events that the follower lacks are sent whole
  /\ cm.st = "dec" /\ s \in cm.r.to \ cm.acks
  /\ \/ /\ guard[s].term = cm.r.term
        /\ ~Decided(entry[s]) \/ entry[s] = cm.e
        /\ entry' = [entry EXCEPT ![s] = cm.e]
        /\ staged' = [staged EXCEPT ![s] = {}]
        /\ cm' = [cm EXCEPT !.acks = @ \cup {s}]
     \/ \* refused: what is staged there stays
        /\ guard[s].term # cm.r.term /\ cm' = Idle /\ UNCHANGED entry
        /\ staged' = IF Rule("keepRefused") THEN staged ELSE [staged EXCEPT ![s] = {}]
  /\ UNCHANGED <<route, guard, next, wr, jn, ans, names, told>>

Apply ==
  /\ cm.st = "dec" /\ cm.r.to \subseteq cm.acks
  /\ route.term = cm.r.term => route.joining \cup route.insync \subseteq cm.acks \cup {cm.r.home}
                               \/ route.epoch > cm.r.epoch
  /\ told' = told \cup {cm.e} /\ cm' = Idle
  /\ staged' = [staged EXCEPT ![cm.r.home] = {}]
  /\ UNCHANGED <<route, guard, entry, next, wr, jn, ans, names>>

----------------------------------------------------------------- \* route changes
Shrink(s) ==
  /\ More /\ s # route.home /\ s \in route.insync \cup route.joining
  /\ route' = [route EXCEPT !.insync = @ \ {s}, !.joining = @ \ {s}, !.epoch = @ + 1]
  /\ UNCHANGED <<guard, entry, next, staged, wr, cm, jn, ans, names, told>>

Takeover(y) ==
  /\ More /\ route.term < MaxTerm /\ y \in route.insync \ {route.home} /\ route.serving
  /\ route' = [term |-> route.term + 1, epoch |-> route.epoch + 1, home |-> y,
               insync |-> route.insync \ {route.home}, joining |-> {}, serving |-> FALSE]
  /\ UNCHANGED <<guard, entry, next, staged, wr, cm, jn, ans, names, told>>

Fence(s) ==
  /\ ~route.serving /\ s \in route.insync /\ guard[s].term < route.term
  /\ guard' = [guard EXCEPT ![s] = [term |-> route.term, epoch |-> route.epoch, open |-> FALSE]]
  /\ UNCHANGED <<route, entry, next, staged, wr, cm, jn, ans, names, told>>

Serve ==    \* what any of them has decided is adopted by all
  /\ More /\ ~route.serving /\ \A s \in route.insync : guard[s].term = route.term
  /\ entry' = [s \in Site |-> IF s \in route.insync /\ \E u \in route.insync : Decided(entry[u])
                              THEN entry[CHOOSE u \in route.insync : Decided(entry[u])] ELSE entry[s]]
  /\ route' = [route EXCEPT !.serving = TRUE, !.epoch = @ + 1]
  /\ guard' = [guard EXCEPT ![route.home].open = TRUE]
  /\ UNCHANGED <<next, staged, wr, cm, jn, ans, names, told>>

Return(s) ==   \* fences itself and forgets what is open, or what home decided otherwise
  /\ route.serving /\ s \notin route.insync \cup route.joining
  /\ guard[s].term < route.term \/ jn[s] = 0
  /\ guard' = [guard EXCEPT ![s] = [term |-> route.term, epoch |-> route.epoch, open |-> FALSE]]
  /\ LET stays == Decided(entry[s]) /\ entry[s] = entry[route.home] IN
     /\ entry' = [entry EXCEPT ![s] = IF stays THEN @ ELSE Nothing]
     /\ staged' = [staged EXCEPT ![s] = {}]
     /\ next' = [next EXCEPT ![s] = IF stays THEN @ ELSE 0]
  /\ jn' = [jn EXCEPT ![s] = 1]
  /\ UNCHANGED <<route, wr, cm, ans, names, told>>

JoinStart(s) ==
  /\ More /\ route.serving /\ s \notin route.insync \cup route.joining
  /\ jn[s] = 1 /\ guard[s].term = route.term
  /\ route' = [route EXCEPT !.joining = @ \cup {s}, !.epoch = @ + 1]
  /\ jn' = [jn EXCEPT ![s] = route.epoch + 1]
  /\ UNCHANGED <<guard, entry, next, staged, wr, cm, ans, names, told>>

Raise ==
  /\ route.serving /\ route.joining # {} /\ guard[route.home].epoch < route.epoch
  /\ guard' = [guard EXCEPT ![route.home].epoch = route.epoch]
  /\ UNCHANGED <<route, entry, next, staged, wr, cm, jn, ans, names, told>>

JoinCopy(s) ==     \* the entry, or what is staged
  /\ route.serving /\ s \in route.joining /\ jn[s] > 1
  /\ guard[route.home].epoch >= jn[s]
  /\ LET h == route.home IN
     /\ entry' = [entry EXCEPT ![s] = IF Decided(@) \/ entry[h].st = "none" THEN @ ELSE entry[h]]
     /\ staged' = IF entry[h].st = "open" /\ ~Decided(entry[s]) /\ Rule("copyStagings")
                  THEN [staged EXCEPT ![s] = @ \cup staged[h]] ELSE staged
     /\ next' = [next EXCEPT ![s] = Higher(@, next[h])]
  /\ jn' = [jn EXCEPT ![s] = 0]
  /\ UNCHANGED <<route, guard, wr, cm, ans, names, told>>

JoinEnd(s) ==
  /\ More /\ route.serving /\ s \in route.joining /\ jn[s] = 0
  /\ route' = [route EXCEPT !.insync = @ \cup {s}, !.joining = @ \ {s}, !.epoch = @ + 1]
  /\ UNCHANGED <<guard, entry, next, staged, wr, cm, jn, ans, names, told>>

\* Only with the rule taken out: a second attempt of the site begins with the epoch of
\* the first one's joining, finds the guards at just that epoch, and forgets.
ForgetAgain(s) ==
  /\ ~Rule("freshRound") /\ route.serving /\ s \in route.joining
  /\ guard[s].term = route.term /\ entry[s].st = "open"
  /\ entry' = [entry EXCEPT ![s] = Nothing]
  /\ staged' = [staged EXCEPT ![s] = {}] /\ next' = [next EXCEPT ![s] = 0]
  /\ UNCHANGED <<route, guard, wr, cm, jn, ans, names, told>>

Next ==
  \/ \E p \in Proc : \/ \E w \in Writes : Write(p, w) \/ WriteOld(p, w)
                     \/ OldRoute(p) \/ Forget(p) \/ StageHome(p) \/ RefreshWrite(p) \/ Answer(p)
                     \/ \E s \in Site : StageAt(p, s)
  \/ Send \/ Commit \/ Expire \/ Finish \/ ForgetCommit \/ Decide \/ Apply \/ Serve \/ Raise
  \/ \E s \in Site : \/ Replicate(s) \/ Shrink(s) \/ Takeover(s) \/ Fence(s)
                     \/ Return(s) \/ JoinStart(s) \/ JoinCopy(s) \/ JoinEnd(s)
                     \/ ForgetAgain(s)
Spec == Init /\ [][Next]_vars

-------------------------------------------------------------------- \* invariants
\* Written means mirrored: while the transaction is open, what was answered is staged at
\* every in-sync site, so it survives the loss of any one.
Mirrored == \A s \in route.insync : Decided(entry[s]) \/ ans \subseteq {x.w : x \in staged[s]}
\* What is committed is what the client named, no more, no less.
AsNamed == \A s \in Site : entry[s].st = "commit" => Sent /\ entry[s].ev = names
\* What was told is what every in-sync log says.
Final == \A e \in told, s \in route.insync : entry[s] = e
OneOutcome == Cardinality(told) <= 1
\* A home gives no number that it holds already.
Rises == \A s \in Site : entry[s].st = "open" => \A x \in staged[s] : x.n < next[s]
Sym == Permutations(Proc) \cup Permutations(Writes)
=============================================================================
