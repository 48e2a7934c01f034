#!/bin/sh
# Any language will do: this one needs Perl, which every Debian and Ubuntu has.
exec perl -MIO::Socket::INET -e '
  $SIG{CHLD} = "IGNORE";
  my $listener = IO::Socket::INET->new(
    LocalAddr => $ENV{HOST} || "0.0.0.0", LocalPort => $ENV{PORT} || 4000, Listen => 128, ReuseAddr => 1,
  ) or die "cannot listen: $!\n";
  $SIG{TERM} = sub { exit 0 };
  print STDERR "hello v1 listens on ", $listener->sockport, "\n";
  while (1) {
    my $client = $listener->accept or next;
    if (fork) { close $client; next }
    my ($request) = (<$client> // "") =~ m{^\S+ (\S+)};
    while (defined(my $line = <$client>)) { last if $line =~ /^\r?\n$/ }
    my $body = $request eq "/healthz" ? "ok\n" : "Hello from v1, pid $$\n";
    print $client "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ", length $body,
      "\r\nconnection: close\r\n\r\n$body";
    exit;
  }
'
