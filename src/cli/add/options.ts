/** Options of `authd add`. */
export interface AddOptions {
  preset?: string;
  grant?: string;
  set?: string[];
  secretsFrom?: string;
  replace?: boolean;
  register?: boolean;
  googleServiceAccount?: string;
  googleExternalAccount?: string;
  resource?: string;
}
