/** Where the package lies. Bundled or compiled, this file cannot tell: whoever starts the program says so. */
export function packageRoot(): string {
  const root = process.env['LOCKSTEP_PACKAGE_ROOT'];
  if (root === undefined) throw new Error("import from 'lockstep-streams/cdk': it says where its functions lie");
  return root;
}
