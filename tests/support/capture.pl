# Records the packets of one interface, and answers questions about a recording. A tool of our own because
# tcpdump gives up its identity, which a user namespace with a single uid cannot; files are plain pcap.
#
#   perl capture.pl record INTERFACE FILE     says "capturing" when it does; ends on SIGTERM
#                                              INTERFACE "any" is all of them
#   perl capture.pl count FILE KIND           all, isakmp, marked, esp, ah, natt, link, plain; fragment: of IKE messages
#   perl capture.pl longest FILE KIND         bytes of the longest packet of that kind, from its IP header on
#   perl capture.pl kinds FILE FROM           all counts of what was recorded from that size of the file on: esp=3 ...
#                                              Of the plain ones, answers to a ping are also counted as echo.
#   perl capture.pl holds FILE HEX            exit status 0 when the bytes stand in some packet
use strict;
use warnings;
use Errno;

my ($verb, @rest) = @ARGV;
if    (($verb // '') eq 'record') { record(@rest) }
elsif (($verb // '') eq 'count')  { print count(@rest), "\n" }
elsif (($verb // '') eq 'longest') { print longest(@rest), "\n" }
elsif (($verb // '') eq 'kinds') { print kinds(@rest), "\n" }
elsif (($verb // '') eq 'holds')  { exit(holds(@rest) ? 0 : 1) }
else { die "usage: capture.pl record INTERFACE FILE | count FILE KIND | longest FILE KIND | kinds FILE FROM | holds FILE HEX\n" }

sub record {
    my ($interface, $path) = @_;
    my ($PF_PACKET, $SOCK_RAW, $ETH_P_ALL, $SOL_SOCKET, $SO_RCVBUFFORCE) = (17, 3, 3, 1, 33);
    my $network = pack('n', $ETH_P_ALL);
    socket(my $socket, $PF_PACKET, $SOCK_RAW, unpack('S', $network)) or die "packet socket: $!\n";
    setsockopt($socket, $SOL_SOCKET, $SO_RCVBUFFORCE, pack('i', 8 << 20));
    my $index = pack('a16i', $interface, 0);
    ioctl($socket, 0x8933, $index) or die "$interface: $!\n" if $interface ne 'any';    # SIOCGIFINDEX
    bind($socket, pack('Sa2iSCCa8', $PF_PACKET, $network, unpack('x16i', $index), 0, 0, 0, ''))
        or die "bind to $interface: $!\n";
    open(my $file, '>:raw', $path) or die "$path: $!\n";
    select((select($file), $| = 1)[0]);    # each packet is in the file at once
    print $file pack('LSSlLLL', 0xa1b23c4d, 2, 4, 0, 0, 262144, 1);    # nanoseconds, Ethernet
    my ($ending, $MSG_DONTWAIT) = (0, 0x40);
    $SIG{TERM} = sub { $ending = 1 };
    $| = 1;
    print "capturing\n";
    # What had reached the socket before the signal still belongs to the recording.
    while (1) {
        my $packet;
        if (!defined recv($socket, $packet, 262144, $ending ? $MSG_DONTWAIT : 0)) {
            last if $ending && !$!{EINTR};
            next;
        }
        my $now = pack('x16');
        syscall(228, 0, $now);    # clock_gettime(CLOCK_REALTIME), x86-64
        my ($seconds, $nanoseconds) = unpack('qq', $now);
        print $file pack('LLLL', $seconds, $nanoseconds, (length $packet) x 2), $packet;
    }
}

sub packets {
    my ($path, $from) = @_;
    open(my $file, '<:raw', $path) or die "$path: $!\n";
    local $/;
    my $bytes = <$file> // '';
    my ($at, @packets) = ($from || 24);
    while ($at + 16 <= length $bytes) {
        my $length = unpack('L', substr($bytes, $at + 8, 4));
        push @packets, substr($bytes, $at + 16, $length);
        $at += 16 + $length;
    }
    return @packets;
}

sub kind {
    my ($packet) = @_;
    my $type = unpack('n', substr($packet, 12, 2));
    return 'link' if $type == 0x0806;    # ARP; below, what IPv6 says to its link in its place
    my ($protocol, $above);
    if ($type == 0x0800) {
        my $header = (ord(substr($packet, 14, 1)) & 15) * 4;
        $protocol = ord(substr($packet, 23, 1));
        return 'plain' if unpack('n', substr($packet, 20, 2)) & 0x1fff && $protocol != 50 && $protocol != 51;
        $above = substr($packet, 14 + $header);
    } elsif ($type == 0x86dd) {
        $protocol = ord(substr($packet, 20, 1));
        $above = substr($packet, 54);
        if ($protocol == 0) {    # hop-by-hop options: multicast listener reports carry them
            $protocol = ord(substr($above, 0, 1));
            $above = substr($above, 8 * (1 + ord(substr($above, 1, 1))));
        }
        return 'link' if $protocol == 58 && ord($above) >= 130 && ord($above) <= 143;
        if ($protocol == 44) {    # a fragment: ESP and AH stay what they are, anything else is not ours
            $protocol = ord(substr($above, 0, 1));
            return $protocol == 50 ? 'esp' : $protocol == 51 ? 'ah' : 'plain';
        }
    } else {
        return 'plain';
    }
    return 'esp' if $protocol == 50;
    return 'ah' if $protocol == 51;
    if ($protocol == 17) {
        my ($from, $to) = unpack('nn', $above);
        if ($from == 500 || $to == 500) {    # or ESP with the non-IKE marker
            return substr($above, 8, 8) eq "\0" x 8 ? 'marked' : 'isakmp';
        }
        return 'natt' if $from == 4500 || $to == 4500;
    }
    return 'plain';
}

# A piece of an IKE message: the next payload of its header is 132. IPv4 only.
sub is_fragment {
    my ($packet) = @_;
    my $kind = kind($packet);
    return 0 unless $kind eq 'isakmp' || $kind eq 'natt';
    my $at = 14 + (ord(substr($packet, 14, 1)) & 15) * 4 + 8;
    $at += 4 if $kind eq 'natt';
    return length $packet > $at + 28 && ord(substr($packet, $at + 16, 1)) == 132;
}

sub count {
    my ($path, $wanted) = @_;
    return scalar grep { is_fragment($_) } packets($path) if $wanted eq 'fragment';
    my @kinds = map { kind($_) } packets($path);
    return scalar @kinds if $wanted eq 'all';
    return scalar grep { $_ eq $wanted } @kinds;
}

sub longest {
    my ($path, $wanted) = @_;
    my $longest = 0;
    for my $packet (grep { kind($_) eq $wanted } packets($path)) {
        my $size = length($packet) - 14;
        $longest = $size if $size > $longest;
    }
    return $longest;
}

sub kinds {
    my %count = map { $_ => 0 } qw(isakmp marked esp ah natt link plain echo);
    for my $packet (packets(@_)) {
        my $kind = kind($packet);
        $count{$kind}++;
        $count{echo}++ if $kind eq 'plain' && is_echo_reply($packet);
    }
    return join(' ', map { "$_=$count{$_}" } sort keys %count);
}

sub is_echo_reply {
    my ($packet) = @_;
    return ord(substr($packet, 20, 1)) == 58 && ord(substr($packet, 54, 1)) == 129
        if unpack('n', substr($packet, 12, 2)) == 0x86dd;
    my $header = (ord(substr($packet, 14, 1)) & 15) * 4;
    return ord(substr($packet, 23, 1)) == 1 && ord(substr($packet, 14 + $header, 1)) == 0;
}

sub holds {
    my ($path, $hex) = @_;
    my $bytes = pack('H*', $hex);
    return scalar grep { index($_, $bytes) >= 0 } packets($path);
}
