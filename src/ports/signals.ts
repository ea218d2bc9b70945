/**
 * What sites say to each other, and use cases among themselves, through the mirror agent too. None of these reaches a
 * client as it is.
 */

/** This site is not, or no longer, the home that the caller took it for: the request is passed on with the same id. */
export class NotHomeAnyMore extends Error {
  override readonly name = 'NotHomeAnyMore';
}

/** Home itself does not work: its tables fail. Another in-sync site may take over. */
export class HomeFails extends Error {
  override readonly name = 'HomeFails';
}
