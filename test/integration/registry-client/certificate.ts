import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A key and a certificate of its own making for these names, in PEM. */
export function makeCertificate(names: readonly string[]): { key: string; cert: string } {
  const directory = mkdtempSync(join(tmpdir(), 'fleetwave-certificate-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-subj', '/CN=fleetwave-test', '-addext', `subjectAltName=${names.join(',')}`];
  // Trusted as it stands: Rust's TLS takes no authority's certificate for a server's.
  const leaf = ['-addext', 'basicConstraints=critical,CA:FALSE'];
  try {
    execFileSync(
      'openssl',
      ['req', '-x509', ...curve, '-keyout', key, '-out', cert, '-days', '2', ...subject, ...leaf],
      {
        stdio: 'pipe',
      },
    );
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
