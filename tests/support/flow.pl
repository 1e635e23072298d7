# A flow of numbered packets that come back, which counts those that do not. Unlike ping it keeps its rate on a
# busy machine: what it could not send in time, it sends as soon as it can.
#
#   perl flow.pl echo ADDRESS PORT             sends back what comes; ends on SIGTERM
#   perl flow.pl send FROM TO PORT RATE        RATE packets a second until SIGINT; then waits for the last answers
#                                              and prints "sent N lost N", with a line for each gap before it.
#                                              SIGUSR1 makes it print "sent N answered N" at once
use strict;
use warnings;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET);
use Time::HiRes qw(time);
$| = 1;

my ($verb, @rest) = @ARGV;
if    (($verb // '') eq 'echo') { echo(@rest) }
elsif (($verb // '') eq 'send') { send_flow(@rest) }
else { die "usage: flow.pl echo ADDRESS PORT | send FROM TO PORT RATE\n" }

sub open_socket {
    my $socket = IO::Socket::INET->new(Proto => 'udp', @_) or die "socket: $@\n";
    my $SO_RCVBUFFORCE = 33;    # a busy machine is not to be taken for a lossy tunnel
    setsockopt($socket, SOL_SOCKET, $SO_RCVBUFFORCE, pack('i', 8 << 20));
    return $socket;
}

sub echo {
    my ($address, $port) = @_;
    my $socket = open_socket(LocalAddr => $address, LocalPort => $port);
    print "echoing\n";
    while (defined(my $from = $socket->recv(my $packet, 2000))) { $socket->send($packet, 0, $from) }
}

sub send_flow {
    my ($from, $to, $port, $rate) = @_;
    my $socket = open_socket(LocalAddr => $from, PeerAddr => $to, PeerPort => $port);
    $socket->blocking(0);
    my ($ending, $asked, $sent, $answered, $answers) = (0, 0, 0, 0, '');
    $SIG{INT} = $SIG{TERM} = sub { $ending ||= time };
    $SIG{USR1} = sub { $asked = 1 };
    my $start = time;
    # The last ones have 3 s to come back; that is over as soon as all are there.
    until ($ending && ($answered == $sent || time - $ending > 3)) {
        my $due = $ending ? $sent : int((time - $start) * $rate);
        while ($sent < $due) {
            # A send may fail with what an ICMP error told of an earlier packet: that one counts as lost.
            last unless defined $socket->send(pack('N', $sent) . 'x' x 60);
            $sent++;
        }
        my $bits = '';
        vec($bits, fileno($socket), 1) = 1;
        select($bits, undef, undef, 1 / $rate);
        while (defined $socket->recv(my $packet, 2000)) {
            last if length $packet < 4;
            my $n = unpack('N', $packet);
            $answered++ unless vec($answers, $n, 1);
            vec($answers, $n, 1) = 1;
        }
        if ($asked) { print "sent $sent answered $answered\n"; $asked = 0 }
    }
    my $gap;
    for my $n (0 .. $sent) {
        my $there = $n == $sent || vec($answers, $n, 1);
        $gap = $n if !$there && !defined $gap;
        if ($there && defined $gap) {
            printf "lost %d from %.2f s on\n", $n - $gap, $gap / $rate;
            undef $gap;
        }
    }
    printf "sent %d lost %d\n", $sent, $sent - $answered;
}
