/*
 * The life of three messages with one ordering key, as docs/protocol.md has it. Each atomic step is one
 * script, or one read of the group. README.md says what is shown, and how to run it.
 *
 * Macros that change the model:
 *   HEALED       lanes whose head is gone are healed, and somebody deletes an entry by hand
 *   HOLDS        a dead letter can hold its key until somebody retries or removes it; less else goes wrong
 *   MUTATION=N   the model has mistake N, which spin must find
 */

#define MESSAGES 3
#define ATTEMPTS 2     /* a message is tried so often */
#define HAND_BACKS 1   /* a worker gives back what it has not handled, so often in all */
#ifdef HOLDS
#define STOPS 1        /* the second worker stands still so often */
#define CANCELS 1      /* callers do not wait any more, so often in all */
#define RETRIES 1      /* somebody retries a dead letter, so often in all */
#else
#define STOPS 2
#define CANCELS 2
#endif

#define NOBODY 255
#define NO_MESSAGE 255
#define DELAYED 0      /* the entry of a head that is delayed */
#define DEAD 255       /* the entry of a head that is a dead letter */

#ifndef MUTATION
#define MUTATION 0
#endif
#define ZOMBIE_RELEASES 1
#define DEAD_LETTER_KEEPS 2
#define CANCEL_KEEPS 3
#define REQUEUE_TELLS_NOBODY 4
#define DELAY_TELLS_NOBODY 5
#define ANYBODY_RELEASES 6
#define PROMOTE_KNOWS_NO_LANE 7
#define HOLDER_RELEASES 8
#define RETRY_GOES_BEHIND 9
#define REMOVAL_KEEPS 10

/* `held`: it is a dead letter that holds the key. */
mtype = { unsent, behind, waiting, pending, delayed, held, ended };

/* The messages. */
mtype place[MESSAGES] = unsent;
byte entry[MESSAGES];            /* the latest entry: the first, the second, ... of this message */
bool began_behind[MESSAGES];     /* its first place was behind another message */
byte owner[MESSAGES] = NOBODY;   /* the session for which the entry is pending */
byte attempt[MESSAGES] = 1;
bool cancelled[MESSAGES];
bool was_sent_delayed[MESSAGES];
byte hand_backs = 0;

/* They are used within a step only. */
hidden byte next;
hidden byte earlier;

/* The lane. */
byte head = NO_MESSAGE;
byte head_entry;
chan lane = [MESSAGES] of { byte };

/* The sessions of the workers. The second worker can stand still, or die and come back. */
bool is_stopped = false;
bool has_died = false;
byte session[2];
byte newest_session = 1;

inline add_entry(m) {
  entry[m]++;
  owner[m] = NOBODY;
  place[m] = waiting
}

inline end_message(m) {
  assert(place[m] != ended);
  place[m] = ended;
  owner[m] = NOBODY;
  /* What it has been is of no more interest. */
  entry[m] = 0;
  attempt[m] = 1;
  cancelled[m] = false
}

/* shared/lanes/add.lua */
inline add_to_lane(m) {
  if
  :: head == NO_MESSAGE || head == m -> add_entry(m); head = m; head_entry = entry[m]
  :: else -> place[m] = behind; lane ! m
  fi
}

/* shared/lanes/lane.lua */
inline move_head(m, its_entry) {
  if
  :: head == m -> head_entry = its_entry
  :: else
  fi
}

/* shared/lanes/release.lua */
inline release(m) {
  if
  :: head == m || MUTATION == ANYBODY_RELEASES ->
    do
    :: empty(lane) -> head = NO_MESSAGE; break
    :: nempty(lane) ->
      lane ? next;
      if
      :: cancelled[next] -> end_message(next)
      :: else -> add_entry(next); head = next; head_entry = entry[next]; break
      fi
    od
  :: else
  fi
}

/* The read of a worker, and the start of the handler. */
inline start(m) {
  /* One at a time: nothing of the key is pending for anybody. */
  assert(place[0] != pending && place[1] != pending && place[2] != pending);
  place[m] = pending;
  owner[m] = session[me];
  token = entry[m];
  /* Order: what was sent before has ended. A message that was sent with a delay gets its place when it is due. */
  earlier = 0;
  do
  :: earlier == m -> break
  :: else ->
    assert(place[earlier] == ended || was_sent_delayed[earlier] || was_sent_delayed[m]);
    earlier++
  od;
  earlier = 0
}

#define IS_MINE(m) (place[m] == pending && entry[m] == token && owner[m] == session[me])

inline settle(m) {
  if
  :: IS_MINE(m) -> end_message(m); release(m)
  :: else ->
    if
    :: MUTATION == ZOMBIE_RELEASES -> release(m)
    :: else
    fi
  fi
}

inline bury_and_release(m) {
  end_message(m);
  if
  :: MUTATION != DEAD_LETTER_KEEPS -> release(m)
  :: else
  fi
}

#ifdef HOLDS
/* shared/lanes/hold.lua */
inline bury_and_hold(m) {
  /* A pending message is the head, so the letter holds the key. */
  assert(head == m);
  place[m] = held;
  owner[m] = NOBODY;
  attempt[m] = 1;
  cancelled[m] = false;
  head_entry = DEAD;
  if
  :: MUTATION == HOLDER_RELEASES -> release(m)
  :: else
  fi
}

/* The worker that gives the message up decides. */
inline bury(m) {
  if
  :: bury_and_release(m)
  :: bury_and_hold(m)
  fi
}

/* dead_letters/revive.lua: the new message takes the place of a letter that holds the key. */
inline revive(m) {
  if
  :: MUTATION == RETRY_GOES_BEHIND -> place[m] = behind; lane ! m
  :: MUTATION != RETRY_GOES_BEHIND && head == m && head_entry == DEAD -> add_entry(m); head_entry = entry[m]
  :: else -> add_to_lane(m)
  fi
}

/* dead_letters/remove_dead_letters.lua */
inline remove_letter(m) {
  end_message(m);
  if
  :: MUTATION != REMOVAL_KEEPS -> release(m)
  :: else
  fi
}
#else
inline bury(m) {
  bury_and_release(m)
}
#endif

inline requeue(m) {
  add_entry(m);
  if
  :: MUTATION != REQUEUE_TELLS_NOBODY -> move_head(m, entry[m])
  :: else
  fi
}

inline delay(m) {
  attempt[m]++;
  place[m] = delayed;
  owner[m] = NOBODY;
  if
  :: MUTATION != DELAY_TELLS_NOBODY -> move_head(m, DELAYED)
  :: else
  fi
}

proctype Sender() {
  byte m = 0;
  do
  :: m < MESSAGES ->
    atomic {
      if
      :: add_to_lane(m);
        if
        :: place[m] == behind -> began_behind[m] = true
        :: else
        fi
      :: m == MESSAGES - 1 -> was_sent_delayed[m] = true; place[m] = delayed
      fi;
      m++
    }
  :: else -> break
  od
}

#define CAN_RUN (me == 0 || !is_stopped)
#define IS_ALIVE (CAN_RUN && !(me == 1 && has_died))

#define TAKES(m) IS_ALIVE && place[m] == waiting

proctype Worker(byte me) {
  byte m, token;
end:
  do
  :: atomic { CAN_RUN && me == 1 && has_died -> has_died = false }
  :: atomic { TAKES(0) -> m = 0; start(m); goto running }
  :: atomic { TAKES(1) -> m = 1; start(m); goto running }
  :: atomic { TAKES(2) -> m = 2; start(m); goto running }
  od;
running:
  if
  :: atomic { IS_ALIVE -> settle(m); goto settled }
  :: atomic { IS_ALIVE && IS_MINE(m) && attempt[m] < ATTEMPTS -> delay(m); goto free }
  :: atomic { IS_ALIVE && IS_MINE(m) -> bury(m); goto free }
  :: atomic { IS_ALIVE && IS_MINE(m) && hand_backs < HAND_BACKS -> hand_backs++; requeue(m); goto free }
  :: atomic { CAN_RUN && me == 1 && has_died -> has_died = false; goto free }
  fi;
settled:
  /* The answer of Redis can be lost, and then the settlement is sent again. */
  if
  :: atomic { IS_ALIVE -> settle(m) }
  :: atomic { IS_ALIVE -> skip }
  :: atomic { CAN_RUN && me == 1 && has_died -> has_died = false }
  fi;
free:
  atomic { m = 0; token = 0; goto end }
}

/* The second worker stands still. It goes on as a zombie that has lost its leases, or it has died and is new. */
proctype Fate() {
  byte n = 0;
  do
  :: n < STOPS ->
    is_stopped = true;
    if
    :: is_stopped = false
    :: atomic { newest_session++; session[1] = newest_session; has_died = true; is_stopped = false }
    fi;
    n++
  :: break
  od
}

/* The lease of the owner is over: the worker that kept it stands still, or has died. */
#define IS_ABANDONED(m) \
  (place[m] == pending && owner[m] != session[0] && (is_stopped || owner[m] != session[1]))

/* The first worker takes what is abandoned: at-least-once hands it out again, once makes a dead letter of it. */
proctype Recoverer() {
end:
  do
  :: atomic { IS_ABANDONED(0) -> if :: requeue(0) :: bury(0) fi }
  :: atomic { IS_ABANDONED(1) -> if :: requeue(1) :: bury(1) fi }
  :: atomic { IS_ABANDONED(2) -> if :: requeue(2) :: bury(2) fi }
  od
}

inline promote(m) {
  if
  :: MUTATION == PROMOTE_KNOWS_NO_LANE -> add_entry(m)
  :: else -> add_to_lane(m)
  fi
}

proctype Promoter() {
end:
  do
  :: atomic { place[0] == delayed -> promote(0) }
  :: atomic { place[1] == delayed -> promote(1) }
  :: atomic { place[2] == delayed -> promote(2) }
  od
}

inline cancel(m) {
  if
  :: (place[m] == waiting && entry[m] == 1 && !began_behind[m]) || place[m] == delayed ->
    end_message(m);
    if
    :: MUTATION != CANCEL_KEEPS -> release(m)
    :: else
    fi
  :: else -> cancelled[m] = true
  fi
}

#define CAN_CANCEL(m) (place[m] != unsent && place[m] != held && place[m] != ended && !cancelled[m])

/* The callers of requests do not wait any more, at any time or never. */
proctype Canceller() {
  byte n = 0;
  do
  :: n == CANCELS -> break
  :: n < CANCELS ->
    if
    :: atomic { CAN_CANCEL(0) -> cancel(0) }
    :: atomic { CAN_CANCEL(1) -> cancel(1) }
    :: atomic { CAN_CANCEL(2) -> cancel(2) }
    :: n = CANCELS - 1
    fi;
    n++
  od
}

#ifdef HOLDS
/* Somebody retries a letter that holds the key, or removes it. */
proctype Operator() {
  byte n = 0;
end:
  do
  :: atomic { place[0] == held && n < RETRIES -> n++; revive(0) }
  :: atomic { place[1] == held && n < RETRIES -> n++; revive(1) }
  :: atomic { place[2] == held && n < RETRIES -> n++; revive(2) }
  :: atomic { place[0] == held -> remove_letter(0) }
  :: atomic { place[1] == held -> remove_letter(1) }
  :: atomic { place[2] == held -> remove_letter(2) }
  od
}
#endif

#ifdef HEALED
/* Somebody deletes an entry or a letter, once or never. */
proctype Hand() {
  if
  :: atomic { place[0] == waiting || place[0] == held -> end_message(0) }
  :: atomic { place[1] == waiting || place[1] == held -> end_message(1) }
  :: true
  fi
}

#define IS_HEALTHY \
  (head == NO_MESSAGE \
    || (head_entry == DELAYED && place[head] == delayed) \
    || (head_entry == DEAD && place[head] == held) \
    || (head_entry == entry[head] && (place[head] == waiting || place[head] == pending)))

/* recovery/heal_lanes.lua */
proctype Healer() {
end:
  do
  :: atomic { !IS_HEALTHY -> release(head) }
  od
}
#endif

init {
  atomic {
    session[0] = 0;
    session[1] = 1;
    run Sender();
    run Worker(0);
    run Worker(1);
    run Fate();
    run Recoverer();
    run Promoter();
    run Canceller()
#ifdef HOLDS
    ;
    run Operator()
#endif
#ifdef HEALED
    ;
    run Hand();
    run Healer()
#endif
  }
  /* Nothing can happen any more. */
  timeout;
  assert(place[0] == ended && place[1] == ended && place[2] == ended);
  assert(head == NO_MESSAGE && empty(lane))
}
