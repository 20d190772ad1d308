/** What identifies a new connection. One is kept and filled again for each. */
export class ConnParams {
  family = 0
  protocol = 0
  c0 = 0
  c1 = 0
  c2 = 0
  c3 = 0
  cport = 0
  v0 = 0
  v1 = 0
  v2 = 0
  v3 = 0
  vport = 0
  /**
   * The real server's address is its Dest's, unless a family is given here: for connections that
   * have none, and for those that a helper expects elsewhere.
   */
  destFamily = 0
  d0 = 0
  d1 = 0
  d2 = 0
  d3 = 0
  dport = 0
  /** Record of a persistence engine that the connection takes over, 0 for none. */
  engineData = 0
}
