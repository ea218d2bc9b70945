/**
 * Seeds that failed once, with what they found: each was a bug of the protocol or of its code. A seed means what the
 * simulator makes of it, so each bug also has a scenario in `test/protocol`, which stays when the simulator changes.
 */
export interface FailedSeed {
  readonly seed: number;
  /** Where the seed was run with one. */
  readonly theme?: string;
  readonly found: string;
  /** The file in `test/protocol`, and the name of the test. */
  readonly scenario: string;
}

export const FAILED_ONCE: readonly FailedSeed[] = [
  {
    seed: 1,
    found: 'a read of a throttled stream ended in an error without a code',
    scenario: 'streams: throttled',
  },
  {
    seed: 14,
    found: 'a staged event of more than 400 KB ended in an error without a code',
    scenario: 'write: large',
  },
  {
    seed: 21,
    found: 'a process that did not know of a new replica left a hole in it',
    scenario: 'streams: replica',
  },
  {
    seed: 23,
    found: 'a reconciliation that could not be planned kept the backlogs from being drained',
    scenario: 'streams: a reconciliation that cannot be planned',
  },
  {
    seed: 72,
    found: 'the mark of an open transaction stayed under a copied decision, and its site never came back again',
    scenario: 'join: copied over a late staging',
  },
  {
    seed: 156,
    found: 'a deposed home told a reader that it was caught up',
    scenario: 'takeover: says to no reader that it is caught up',
  },
  {
    seed: 278,
    found: 'a deposed home refused a retry of a committed transaction with VersionConflict',
    scenario: 'takeover: refuses nothing on sight',
  },
  {
    seed: 912,
    found: 'mirrors that could not be made when a transaction wanted them were never made',
    scenario: 'streams: mirrors',
  },
  {
    seed: 1334,
    found: 'a joining site put on its streams what another log still lacked',
    scenario: 'join: logs first',
  },
  {
    seed: 3159,
    found: 'a sweep that slept over a move of home opened the guards of the follower that its site had become',
    scenario: 'sleepers: sweep',
  },
  {
    seed: 5528,
    found: 'a new home refused with NotEnoughReplicas what the old one had decided',
    scenario: 'commit: nor where an earlier home had decided it',
  },
  {
    seed: 5835,
    found: 'a slow home passed a request on that the new home had refused, and there it was committed',
    scenario: 'sleepers: passed on',
  },
  {
    seed: 3923,
    found: 'after unclean takeovers a site came back without commits from below what it had closed in its own history',
    scenario: 'unclean: closed',
  },
  {
    seed: 5462,
    found:
      'a decision that a clean takeover had left behind was taken over after an unclean one, and readers missed it',
    scenario: 'unclean: left behind',
  },
  {
    seed: 132,
    theme: 'homes change in haste',
    found: 'an attempt to return that was overtaken by another one cleaned away what was mirrored since',
    scenario: 'return: in sync',
  },
  {
    seed: 1164,
    found: 'a home that was forced brought back what a clean takeover had left behind, and readers passed over it',
    scenario: 'unclean: after a clean takeover, gap',
  },
  {
    seed: 77,
    theme: 'histories part',
    found: 'a reader whose page was under way when home was forced was given what was taken over once more',
    scenario: 'unclean: middle of a page',
  },
];
