---------------------------- MODULE Interactive ----------------------------
(* An interactive transaction, eager: staged at home and at every other site, racing
   writes with the same number, retries at another process or home, commit by digests,
   expiry; takeover, planned move, return with forgetting, join with a copy of the
   stagings.  Candidates: what a follower foresees, announces, and home counts on, so that
   an answer does not wait for it.  Followers forget what home does not know.

   The fence, adopt and serve of a takeover are one step per site, or one for all: what
   may happen between them is Lockstep.tla's.  There is one transaction, begun at First.
   A write is a request of the client; it is repeated with the same id until answered. *)
EXTENDS Naturals, FiniteSets, TLC
CONSTANTS Site, First, Start0, Known0, Writes, Proc, MaxTerm, MaxEpoch, MaxNext,
          OldRoutes,  \* processes whose route may be of any age
          Agent,      \* processes of followers that foresee
          Foreseen,   \* writes that they may foresee
          Enveloped,  \* writes that say more than their digest covers
          Ahead,      \* numbers that home may give ahead of what a follower knows
          Moves,      \* planned moves
          Forgets,    \* followers forget what home does not know; its id is begun anew
          Off
VARIABLES route,   \* [term, epoch, home, insync, joining, serving, joined]
          guard,   \* site -> [term, epoch, open]
          entry,   \* site -> [st, ev, cut, term]; ev: the writes that were committed; cut:
                   \* those of them without what they said beside their content; an open
                   \* one has the term in which it was begun
          next,    \* site -> the number that the next event gets
          staged,  \* site -> set of [n, w, term, whole]; without content where not whole
          cand,    \* site -> candidates: set of [w, env, below]
          said,    \* site -> follower -> what it announced there: [epoch, below, w, env]
          fs,      \* agent -> what it foresees, at which follower
          fg,      \* the sweep of a follower that forgets
          wr,      \* process -> the write that it is at
          cm,      \* the commit (or abort) that is under way
          jn,      \* site -> epoch of the joining whose copy is made, 0 = none
          ans,     \* answers: set of [w, n]
          names,   \* what the client's commit names; 0 = not sent yet
          told     \* outcomes told to the client
fore == <<cand, said, fs, fg>>
vars == <<route, guard, entry, next, staged, fore, wr, cm, jn, ans, names, told>>

Rule(x) == x \notin Off
Idle == [st |-> "idle"]
Nothing == [st |-> "none", ev |-> {}, cut |-> {}, term |-> 0]
Opened(term) == [st |-> "open", ev |-> {}, cut |-> {}, term |-> term]
Silent == [s \in Site |-> [epoch |-> 0, below |-> 0, w |-> "none", env |-> FALSE]]
Decided(e) == e.st \in {"commit", "abort"}
Higher(a, b) == IF a > b THEN a ELSE b
Max(S) == CHOOSE x \in S : \A y \in S : y <= x
Answered == {a.w : a \in ans}
\* A number that is free here: below it, another home may have given some to foreseen writes.
Free(s) == Max({next[s]} \cup IF Rule("numbersFree") THEN {c.below : c \in cand[s]} ELSE {})
View == [term |-> route.term, epoch |-> route.epoch, home |-> route.home,
         to |-> (route.insync \cup route.joining) \ {route.home}]
More == route.epoch < MaxEpoch

Init ==
  /\ route = [term |-> 1, epoch |-> 1, home |-> First, insync |-> Start0, joining |-> {},
              serving |-> TRUE, joined |-> [s \in Site |-> 0]]
  /\ guard = [s \in Site |-> [term |-> 1, epoch |-> IF s = First THEN 1 ELSE 0, open |-> s = First]]
  /\ entry = [s \in Site |-> IF s \in Known0 THEN Opened(1) ELSE Nothing]
  /\ next = [s \in Site |-> 0]
  /\ staged = [s \in Site |-> {}]
  /\ cand = [s \in Site |-> {}] /\ said = [s \in Site |-> Silent]
  /\ fs = [g \in Agent |-> Idle] /\ fg = Idle
  /\ wr = [p \in Proc |-> Idle] /\ cm = Idle
  /\ jn = [s \in Site |-> 0]
  /\ ans = {} /\ names = {0} /\ told = {}

Sent == names # {0}
MayWriteHome(r) == LET g == guard[r.home] IN
  /\ g.open /\ g.term = r.term
  /\ Rule("stagingGuard") => g.epoch <= r.epoch

-------------------------------------------------------------------- \* writing
\* Reads what stands at home: a request that is known keeps its number, unless that may be
\* another one's: it came from an earlier home, at which it perhaps lost a race, and another
\* write stands here with it, or was perhaps foreseen here and answered with it.  A new one
\* may be foreseen: by a follower in sync that has announced it since it joined, with numbers
\* enough, and as much as it says.
Last(h, w) == {x \in staged[h] : x.w = w /\ \A y \in staged[h] : y.w = w => y.n <= x.n}
IsOwn(h, x, term) == Rule("ownNumber") => \/ x.term = term
                                         \/ /\ \A y \in staged[h] : y.n = x.n => y.w = x.w
                                            /\ \A c \in cand[h] : c.below <= x.n
Known(h, w, term) == {x \in Last(h, w) : IsOwn(h, x, term)}
IsForeseen(s, w, n) == LET a == said[route.home][s] IN
  /\ a.w = w /\ s \in route.insync \ {route.home}
  /\ Rule("joinedSince") => a.epoch >= route.joined[s]
  /\ Rule("numbersBelow") => n < a.below
  /\ Rule("envelopes") => a.env = (w \in Enveloped)
Fresh(h, w, term) == [n |-> Free(h), w |-> w, term |-> term, whole |-> TRUE]
Sending(r, h, x, isKnown, there) ==
  [st |-> "send", r |-> r, x |-> [x EXCEPT !.whole = TRUE], here |-> isKnown, b |-> entry[h].term,
   at |-> next[h], nx |-> IF isKnown THEN Free(h) ELSE x.n + 1, there |-> {}, fore |-> there]

Write(p, w) ==
  /\ wr[p].st = "idle" /\ route.serving /\ entry[route.home].st = "open"
  /\ Sent => w \in names       \* the commit was answered EventsMissing
  /\ ~Sent => w \notin Answered
  /\ LET h == route.home  known == Known(h, w, route.term)  n == Free(h) IN
     /\ n < MaxNext
     /\ IF known # {} THEN \E x \in known : wr' = [wr EXCEPT ![p] = Sending(View, h, x, TRUE, {})]
        ELSE wr' = [wr EXCEPT ![p] = Sending(View, h, Fresh(h, w, route.term), FALSE,
                                             {s \in Site : IsForeseen(s, w, n)})]
  /\ UNCHANGED <<route, guard, entry, next, staged, fore, cm, jn, ans, names, told>>

\* The route that a process knows may be any that it read before: a retry at one that
\* has slept since before the event was staged.
OldRoute(p) ==
  /\ OldRoutes /\ wr[p].st = "idle" /\ route.serving
  /\ wr' = [wr EXCEPT ![p] = [st |-> "knows", r |-> View]]
  /\ UNCHANGED <<route, guard, entry, next, staged, fore, cm, jn, ans, names, told>>
WriteOld(p, w) ==
  /\ wr[p].st = "knows" /\ entry[wr[p].r.home].st = "open" /\ ~Sent /\ w \notin Answered
  /\ LET r == wr[p].r  h == r.home  known == Known(h, w, r.term) IN
     /\ Free(h) < MaxNext
     /\ IF known # {}
        THEN \E x \in known :
               wr' = [wr EXCEPT ![p] = [Sending(r, h, x, TRUE, {}) EXCEPT !.here = ~Rule("retryGuard")]]
        ELSE wr' = [wr EXCEPT ![p] = Sending(r, h, Fresh(h, w, r.term), FALSE, {})]
  /\ UNCHANGED <<route, guard, entry, next, staged, fore, cm, jn, ans, names, told>>

Forget(p) ==   \* the process dies, or the request ends without an answer
  /\ wr[p].st # "idle" /\ wr' = [wr EXCEPT ![p] = Idle]
  /\ UNCHANGED <<route, guard, entry, next, staged, fore, cm, jn, ans, names, told>>

\* A staged event's key is its number and its request; with the number alone a racing
\* write takes the other's place.  What comes without content has a key of its own.
Same(y, x) == /\ y.n = x.n
              /\ Rule("racingKey") => y.w = x.w
              /\ Rule("heldApart") => y.whole = x.whole
Put(set, x) == {y \in set : ~Same(y, x)} \cup {x}

StageHome(p) ==
  /\ wr[p].st = "send" /\ ~wr[p].here
  /\ LET c == wr[p]  h == c.r.home  known == {x \in staged[h] : x.w = c.x.w /\ x.n = c.x.n} IN
     /\ entry[h].st = "open" /\ MayWriteHome(c.r)
     /\ \/ known = {} /\ next[h] = c.at
           /\ next' = [next EXCEPT ![h] = c.nx]
           /\ staged' = [staged EXCEPT ![h] = Put(@, c.x)]
        \/ known # {} /\ UNCHANGED <<next, staged>>  \* a retry: only the guard is checked
  /\ wr' = [wr EXCEPT ![p].here = TRUE]
  /\ UNCHANGED <<route, guard, entry, fore, cm, jn, ans, names, told>>

StageAt(p, s) ==   \* at another site: late ones must not lower its next number
  /\ wr[p].st = "send"
  /\ LET c == wr[p]  x == [c.x EXCEPT !.whole = s \notin c.fore] IN
     /\ s \in c.r.to \ c.there
     /\ Rule("stageTerm") => guard[s].term = c.r.term
     /\ IF Decided(entry[s]) THEN UNCHANGED <<entry, staged, next>>
        ELSE /\ entry' = [entry EXCEPT ![s] = Opened(c.b)]
             /\ staged' = [staged EXCEPT ![s] = Put(@, x)]
             /\ next' = [next EXCEPT ![s] = IF Rule("numbersRise") THEN Higher(@, c.nx) ELSE c.nx]
  /\ wr' = [wr EXCEPT ![p].there = @ \cup {s}]
  /\ UNCHANGED <<route, guard, fore, cm, jn, ans, names, told>>

\* The other sites are those of a newer route; what home's guard is asked stays.
RefreshWrite(p) ==
  /\ wr[p].st = "send" /\ route.term = wr[p].r.term /\ View.to # wr[p].r.to
  /\ wr' = [wr EXCEPT ![p].r.to = View.to]
  /\ UNCHANGED <<route, guard, entry, next, staged, fore, cm, jn, ans, names, told>>

Answer(p) ==
  /\ wr[p].st = "send" /\ wr[p].here
  /\ Rule("eager") => wr[p].r.to \subseteq wr[p].there \cup wr[p].fore
  /\ ans' = ans \cup {[w |-> wr[p].x.w, n |-> wr[p].x.n]}
  /\ wr' = [wr EXCEPT ![p] = Idle]
  /\ UNCHANGED <<route, guard, entry, next, staged, fore, cm, jn, names, told>>

------------------------------------------------------------------- \* committing
Send ==     \* the client has its answers, or gives some writes up
  /\ ~Sent /\ ans # {} /\ names' = Answered
  /\ UNCHANGED <<route, guard, entry, next, staged, fore, wr, cm, jn, ans, told>>

\* What is staged and named; what this term's home answered must all be named.  A candidate
\* is the event only where nothing was said beside its content.
Held(s) == {c.w : c \in cand[s]}
Here(s) == {x.w : x \in {y \in staged[s] : y.whole \/ y.w \in Held(s)}}
Bare(s) == {c.w : c \in {d \in cand[s] : ~d.env \/ ~Rule("envelopedIsMissing")}}
Named(r) == (Here(r.home) \cup Bare(r.home)) \cap names
Left(r) == {x \in staged[r.home] : x.w \notin names /\ x.term = r.term}

Commit ==
  /\ Sent /\ cm.st = "idle" /\ route.serving /\ entry[route.home].st = "open"
  /\ Rule("namesAll") => Named(View) = names /\ Left(View) = {}
  /\ LET ev == IF Rule("namesAll") THEN names ELSE Here(route.home) IN
     cm' = [st |-> "decide", r |-> View, n |-> next[route.home], ev |-> ev,
            cut |-> (ev \ Here(route.home)) \cap Enveloped]
  /\ UNCHANGED <<route, guard, entry, next, staged, fore, wr, jn, ans, names, told>>

Expire ==
  /\ cm.st = "idle" /\ route.serving /\ entry[route.home].st = "open"
  /\ cm' = [st |-> "abort", r |-> View]
  /\ UNCHANGED <<route, guard, entry, next, staged, fore, wr, jn, ans, names, told>>

\* Who finds it decided finishes it.  Retries with the same id end here as well.
Finish ==
  /\ cm.st = "idle" /\ route.serving /\ Decided(entry[route.home])
  /\ cm' = [st |-> "dec", r |-> View, e |-> entry[route.home], acks |-> {}]
  /\ UNCHANGED <<route, guard, entry, next, staged, fore, wr, jn, ans, names, told>>

ForgetCommit ==
  /\ cm.st # "idle" /\ cm' = Idle
  /\ UNCHANGED <<route, guard, entry, next, staged, fore, wr, jn, ans, names, told>>

Decide ==
  /\ cm.st \in {"decide", "abort"}
  /\ LET h == cm.r.home
         e == [st |-> IF cm.st = "decide" THEN "commit" ELSE "abort",
               ev |-> IF cm.st = "decide" THEN cm.ev ELSE {},
               cut |-> IF cm.st = "decide" THEN cm.cut ELSE {}, term |-> cm.r.term] IN
     /\ entry[h].st = "open" /\ MayWriteHome(cm.r)
     /\ (cm.st = "decide" /\ Rule("sameNext")) => next[h] = cm.n
     /\ entry' = [entry EXCEPT ![h] = e]
     /\ cm' = [st |-> "dec", r |-> cm.r, e |-> e, acks |-> {}]
  /\ UNCHANGED <<route, guard, next, staged, fore, wr, jn, ans, names, told>>

Replicate(s) ==   \* events that the follower lacks are sent whole
  /\ cm.st = "dec" /\ s \in cm.r.to \ cm.acks
  /\ \/ /\ guard[s].term = cm.r.term
        /\ ~Decided(entry[s]) \/ entry[s] = cm.e
        /\ entry' = [entry EXCEPT ![s] = cm.e]
        /\ staged' = [staged EXCEPT ![s] = {}] /\ cand' = [cand EXCEPT ![s] = {}]
        /\ cm' = [cm EXCEPT !.acks = @ \cup {s}]
     \/ \* refused: what is staged there stays
        /\ guard[s].term # cm.r.term /\ cm' = Idle /\ UNCHANGED entry
        /\ staged' = IF Rule("keepRefused") THEN staged ELSE [staged EXCEPT ![s] = {}]
        /\ cand' = IF Rule("keepRefused") THEN cand ELSE [cand EXCEPT ![s] = {}]
  /\ UNCHANGED <<route, guard, next, said, fs, fg, wr, jn, ans, names, told>>

Drop(s) == /\ staged' = [staged EXCEPT ![s] = {}] /\ cand' = [cand EXCEPT ![s] = {}]
           /\ said' = [said EXCEPT ![s] = Silent]
Apply ==
  /\ cm.st = "dec" /\ cm.r.to \subseteq cm.acks
  /\ route.term = cm.r.term => route.joining \cup route.insync \subseteq cm.acks \cup {cm.r.home}
                               \/ route.epoch > cm.r.epoch
  /\ told' = told \cup {cm.e} /\ cm' = Idle
  /\ Drop(cm.r.home)
  /\ UNCHANGED <<route, guard, entry, next, fs, fg, wr, jn, ans, names>>

----------------------------------------------------------------- \* route changes
Shrink(s) ==
  /\ More /\ s # route.home /\ s \in route.insync \cup route.joining
  /\ route' = [route EXCEPT !.insync = @ \ {s}, !.joining = @ \ {s}, !.epoch = @ + 1]
  /\ UNCHANGED <<guard, entry, next, staged, fore, wr, cm, jn, ans, names, told>>

Takeover(y, keep) ==   \* keep: a planned move, the old home stays in sync
  /\ More /\ route.term < MaxTerm /\ y \in route.insync \ {route.home} /\ route.serving
  /\ keep => Moves
  /\ route' = [route EXCEPT !.term = @ + 1, !.epoch = @ + 1, !.home = y, !.joining = {}, !.serving = FALSE,
                            !.insync = IF keep THEN @ ELSE @ \ {route.home}]
  /\ UNCHANGED <<guard, entry, next, staged, fore, wr, cm, jn, ans, names, told>>

Fence(s) ==
  /\ ~route.serving /\ s \in route.insync /\ guard[s].term < route.term
  /\ guard' = [guard EXCEPT ![s] = [term |-> route.term, epoch |-> route.epoch, open |-> FALSE]]
  /\ UNCHANGED <<route, entry, next, staged, fore, wr, cm, jn, ans, names, told>>

Serve ==    \* what any of them has decided is adopted by all
  /\ More /\ ~route.serving /\ \A s \in route.insync : guard[s].term = route.term
  /\ entry' = [s \in Site |-> IF s \in route.insync /\ \E u \in route.insync : Decided(entry[u])
                              THEN entry[CHOOSE u \in route.insync : Decided(entry[u])] ELSE entry[s]]
  /\ route' = [route EXCEPT !.serving = TRUE, !.epoch = @ + 1]
  /\ guard' = [guard EXCEPT ![route.home].open = TRUE]
  /\ UNCHANGED <<next, staged, fore, wr, cm, jn, ans, names, told>>

Return(s) ==   \* fences itself and forgets what is open, or what home decided otherwise
  /\ route.serving /\ s \notin route.insync \cup route.joining
  /\ guard[s].term < route.term \/ jn[s] = 0
  /\ guard' = [guard EXCEPT ![s] = [term |-> route.term, epoch |-> route.epoch, open |-> FALSE]]
  /\ LET stays == Decided(entry[s]) /\ entry[s] = entry[route.home] IN
     /\ entry' = [entry EXCEPT ![s] = IF stays THEN @ ELSE Nothing]
     /\ Drop(s)
     /\ next' = [next EXCEPT ![s] = IF stays THEN @ ELSE 0]
  /\ jn' = [jn EXCEPT ![s] = 1]
  /\ UNCHANGED <<route, fs, fg, wr, cm, ans, names, told>>

JoinStart(s) ==
  /\ More /\ route.serving /\ s \notin route.insync \cup route.joining
  /\ jn[s] = 1 /\ guard[s].term = route.term
  /\ route' = [route EXCEPT !.joining = @ \cup {s}, !.epoch = @ + 1,
                            !.joined[s] = IF Foreseen = {} THEN 0 ELSE route.epoch + 1]
  /\ jn' = [jn EXCEPT ![s] = route.epoch + 1]
  /\ UNCHANGED <<guard, entry, next, staged, fore, wr, cm, ans, names, told>>

Raise ==
  /\ route.serving /\ route.joining # {} /\ guard[route.home].epoch < route.epoch
  /\ guard' = [guard EXCEPT ![route.home].epoch = route.epoch]
  /\ UNCHANGED <<route, entry, next, staged, fore, wr, cm, jn, ans, names, told>>

\* The entry, or what is staged, and what home foresaw as a follower: of that, another home
\* may have answered writes that nobody was told of.
JoinCopy(s) ==
  /\ route.serving /\ s \in route.joining /\ jn[s] > 1
  /\ guard[route.home].epoch >= jn[s]
  /\ LET h == route.home IN
     /\ entry' = [entry EXCEPT ![s] = IF Decided(@) \/ entry[h].st = "none" THEN @ ELSE entry[h]]
     /\ staged' = IF entry[h].st = "open" /\ ~Decided(entry[s]) /\ Rule("copyStagings")
                  THEN [staged EXCEPT ![s] = (@ \ staged[h]) \cup
                          {[x EXCEPT !.whole = TRUE] : x \in {y \in staged[h] : y.whole \/ y.w \in Held(h)}}]
                  ELSE staged
     /\ cand' = IF entry[h].st = "open" /\ ~Decided(entry[s]) /\ Rule("copyCandidates")
                THEN [cand EXCEPT ![s] = {c \in @ : c.w \notin Held(h)} \cup cand[h]] ELSE cand
     /\ next' = [next EXCEPT ![s] = Higher(@, IF entry[h].st = "open" THEN Free(h) ELSE next[h])]
  /\ jn' = [jn EXCEPT ![s] = 0]
  /\ UNCHANGED <<route, guard, said, fs, fg, wr, cm, ans, names, told>>

JoinEnd(s) ==
  /\ More /\ route.serving /\ s \in route.joining /\ jn[s] = 0
  /\ route' = [route EXCEPT !.insync = @ \cup {s}, !.joining = @ \ {s}, !.epoch = @ + 1]
  /\ UNCHANGED <<guard, entry, next, staged, fore, wr, cm, jn, ans, names, told>>

\* Only with the rule taken out: a second attempt of the site begins with the epoch of
\* the first one's joining, finds the guards at just that epoch, and forgets.
ForgetAgain(s) ==
  /\ ~Rule("freshRound") /\ route.serving /\ s \in route.joining
  /\ guard[s].term = route.term /\ entry[s].st = "open"
  /\ entry' = [entry EXCEPT ![s] = Nothing]
  /\ Drop(s) /\ next' = [next EXCEPT ![s] = 0]
  /\ UNCHANGED <<route, guard, fs, fg, wr, cm, jn, ans, names, told>>

------------------------------------------------------------------- \* foreseeing
\* An agent knows the route before it reads what stands at its site.
Foresee(g, s, w, env) ==
  /\ fs[g].st = "idle" /\ route.serving /\ s \in route.insync \ {route.home}
  /\ entry[s].st = "open" /\ ~Sent
  /\ fs' = [fs EXCEPT ![g] = [st |-> "keep", s |-> s, r |-> [View EXCEPT !.to = {}], b |-> entry[s].term,
       c |-> [w |-> w, env |-> env, below |-> Higher(Free(s), next[s] + Ahead)]]]
  /\ UNCHANGED <<route, guard, entry, next, staged, cand, said, fg, wr, cm, jn, ans, names, told>>

\* What stands there only grows: others of the site may have foreseen the same.
Keep(g) ==
  /\ fs[g].st = "keep"
  /\ LET f == fs[g]  s == f.s  old == {c \in cand[s] : c.w = f.c.w} IN
     IF /\ guard[s].term = f.r.term
        /\ entry[s].st = "open" /\ entry[s].term = f.b
        /\ Rule("candidatesGrow") => \A c \in old : c.env = f.c.env /\ c.below <= f.c.below
     THEN /\ cand' = [cand EXCEPT ![s] = (@ \ old) \cup {f.c}]
          /\ fs' = [fs EXCEPT ![g].st = "announce"]
     ELSE fs' = [fs EXCEPT ![g] = Idle] /\ UNCHANGED cand
  /\ UNCHANGED <<route, guard, entry, next, staged, said, fg, wr, cm, jn, ans, names, told>>

Announce(g) ==
  /\ fs[g].st = "announce"
  /\ LET f == fs[g]  h == f.r.home IN
     said' = IF guard[h].term = f.r.term /\ entry[h].st = "open" /\ entry[h].term = f.b
             THEN [said EXCEPT ![h][f.s] = [epoch |-> IF Rule("knewBefore") THEN f.r.epoch ELSE route.epoch,
                                            below |-> f.c.below, w |-> f.c.w, env |-> f.c.env]]
             ELSE said
  /\ fs' = [fs EXCEPT ![g] = Idle]
  /\ UNCHANGED <<route, guard, entry, next, staged, cand, fg, wr, cm, jn, ans, names, told>>

AgentDies(g) ==
  /\ fs[g].st # "idle" /\ fs' = [fs EXCEPT ![g] = Idle]
  /\ UNCHANGED <<route, guard, entry, next, staged, cand, said, fg, wr, cm, jn, ans, names, told>>

------------------------------------------------------------------- \* forgetting
\* A follower's sweep reads what has expired here, and asks home, which does not know it.
Ask(s) ==
  /\ Forgets /\ fg.st = "idle" /\ route.serving /\ s \in route.insync \ {route.home}
  /\ entry[s].st = "open" /\ entry[route.home].st = "none"
  /\ fg' = [st |-> "forget", s |-> s, term |-> route.term, b |-> entry[s].term]
  /\ UNCHANGED <<route, guard, entry, next, staged, cand, said, fs, wr, cm, jn, ans, names, told>>

ForgetHere ==   \* not what was decided, or begun anew, since: nor under another home
  /\ fg.st = "forget"
  /\ LET s == fg.s IN
     IF /\ Rule("forgetTerm") => guard[s].term = fg.term
        /\ Rule("forgetOpen") => entry[s].st = "open"
        /\ (Rule("forgetSame") /\ entry[s].st = "open") => entry[s].term = fg.b
     THEN /\ entry' = [entry EXCEPT ![s] = Nothing] /\ next' = [next EXCEPT ![s] = 0] /\ Drop(s)
     ELSE UNCHANGED <<entry, next, staged, cand, said>>
  /\ fg' = Idle
  /\ UNCHANGED <<route, guard, fs, wr, cm, jn, ans, names, told>>

\* A home that does not know the transaction is asked to begin it, with the same id.
BeginAnew ==
  /\ Forgets /\ ~Sent /\ route.serving /\ entry[route.home].st = "none" /\ MayWriteHome(View)
  /\ entry' = [entry EXCEPT ![route.home] = Opened(route.term)]
  /\ UNCHANGED <<route, guard, next, staged, fore, wr, cm, jn, ans, names, told>>

Next ==
  \/ \E p \in Proc : \/ \E w \in Writes : Write(p, w) \/ WriteOld(p, w)
                     \/ OldRoute(p) \/ Forget(p) \/ StageHome(p) \/ RefreshWrite(p) \/ Answer(p)
                     \/ \E s \in Site : StageAt(p, s)
  \/ Send \/ Commit \/ Expire \/ Finish \/ ForgetCommit \/ Decide \/ Apply \/ Serve \/ Raise
  \/ \E s \in Site : \/ Replicate(s) \/ Shrink(s) \/ Takeover(s, FALSE) \/ Takeover(s, TRUE) \/ Fence(s)
                     \/ Return(s) \/ JoinStart(s) \/ JoinCopy(s) \/ JoinEnd(s)
                     \/ ForgetAgain(s) \/ Ask(s)
  \/ ForgetHere \/ BeginAnew
  \/ \E g \in Agent : \/ Keep(g) \/ Announce(g) \/ AgentDies(g)
                      \/ \E s \in Site, w \in Foreseen, env \in (IF Enveloped = {} THEN {FALSE} ELSE BOOLEAN) :
                           Foresee(g, s, w, env)
Spec == Init /\ [][Next]_vars

-------------------------------------------------------------------- \* invariants
\* Written means mirrored: while the transaction is open, what was answered is staged at
\* every in-sync site, or a candidate there, so it survives the loss of any one (I10).
Mirrored == \A s \in route.insync : Decided(entry[s]) \/ Answered \subseteq Here(s) \cup Held(s)
\* What is committed is what the client named, no more, no less.
AsNamed == \A s \in Site : entry[s].st = "commit" => Sent /\ entry[s].ev = names /\ entry[s].cut = {}
\* What was told is what every in-sync log says.
Final == \A e \in told, s \in route.insync : entry[s] = e
OneOutcome == Cardinality(told) <= 1
\* A home gives no number that it holds already.
Rises == \A s \in Site : entry[s].st = "open" => \A x \in staged[s] : x.n < next[s]
\* No number is answered twice: a client orders its digests by them.
Numbered == \A a, b \in ans : a.n = b.n => a.w = b.w
Sym == Permutations(Proc) \cup Permutations(Writes \ (Foreseen \cup Enveloped)) \cup Permutations(Agent)
=============================================================================
